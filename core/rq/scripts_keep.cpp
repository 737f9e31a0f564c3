// The scripts of housekeeping: due jobs, abandoned jobs, dead workers. Each is safe to run in any
// number of workers at once, since each is one step inside Redis.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

// ARGV: scheduler name (decimal: older RQ reads the lock as a pid), now, iso, pid, hostname,
// queue names (comma list), most jobs to move, queue...
// Answers {jobs moved, 1 if more are due}. A queue whose lock another scheduler holds is left to it.
constexpr std::string_view kSchedule = R"lua(
local name = ARGV[1]
local now = {int = tonumber(ARGV[2]), iso = ARGV[3]}
local room, moved, more = tonumber(ARGV[7]), 0, 0

local function due_jobs(queue)
  local scheduled = 'rq:scheduled:' .. queue
  local due = call('ZRANGEBYSCORE', scheduled, '-inf', now.int, 'LIMIT', 0, room)
  for _, id in ipairs(due) do
    call('ZREM', scheduled, id)
    if try('HEXISTS', 'rq:job:' .. id, 'data') == 1 and field(id, 'status') ~= 'canceled'
       and push(id, queue, field(id, 'enqueue_at_front') == '1', now) then
      moved = moved + 1
    end
  end
  if #due == room then more = 1 end
end

for i = 8, #ARGV do
  local lock = 'rq:scheduler-lock:' .. ARGV[i]
  local owner = call('GET', lock)
  if not owner then call('SET', lock, name, 'EX', 61) end
  if not owner or owner == name then
    call('EXPIRE', lock, 61)
    local key = 'rq:scheduler:' .. name
    if call('HSET', key, 'last_heartbeat', now.iso) == 1 then
      call('HSET', key, 'name', name, 'pid', ARGV[4], 'hostname', ARGV[5], 'queues', ARGV[6],
           'created_at', now.iso)
    end
    call('EXPIRE', key, 61)
    due_jobs(ARGV[i])
  end
end
return {moved, more}
)lua";

// ARGV: now, iso, float now, most jobs of each kind, failure text of abandoned jobs, iso of a minute
// ago, most abandoned jobs, queue...
// Answers {failed, retried, given back, dead workers, told}; told is id, queue, "failed" or "retried",
// ... for abandoned jobs with an on_failure or webhooks.
constexpr std::string_view kMaintain = R"lua(
local now = {int = tonumber(ARGV[1]), iso = ARGV[2]}
local most = tonumber(ARGV[4])
local failed, retried, returned, dead, told = 0, 0, 0, 0, {}

local function abandoned(queue)
  local wip = 'rq:wip:' .. queue
  for _, member in ipairs(call('ZRANGEBYSCORE', wip, 0, now.int, 'LIMIT', 0, ARGV[7])) do
    local id, execution = split_member(member)
    drop_execution(id, execution, queue, field(id, 'worker_name'), member)
    -- Any other status: the job has come to an end some other way, only this entry was left. Another
    -- entry: it runs again already.
    if field(id, 'status') == 'started' and not is_started(id, queue) then
      local tell = field(id, 'failure_callback_name') ~= '' or field(id, 'webhooks') ~= ''
      local run = {worker = '', execution = '', started = '', ended = ''}
      local came_to = retry_or_fail(id, queue, ARGV[5], run, now)
      if came_to == 'failed' then failed = failed + 1 else retried = retried + 1 end
      if tell then
        for _, word in ipairs({id, queue, came_to}) do told[#told + 1] = word end
      end
    end
  end
end

-- A Python worker that died between taking a job and starting it leaves it here. After a minute it
-- goes back to the front of its queue (Python fails it, although it never ran).
local function intermediate(queue)
  local list = 'rq:queue:' .. queue .. ':intermediate'
  for _, id in ipairs(call('LRANGE', list, 0, most - 1)) do
    local mark = list .. ':first_seen:' .. id
    if try('HEXISTS', 'rq:job:' .. id, 'data') ~= 1 or field(id, 'status') == 'canceled' then
      call('LREM', list, 1, id)
    elseif not is_started(id, queue) then
      local seen = call('GET', mark)
      if not seen then
        call('SET', mark, ARGV[3], 'NX', 'EX', 86400)
      elseif now.int - number(seen, now.int) > 60 then
        call('DEL', mark)
        call('LREM', list, 1, id)
        if field(id, 'status') == 'queued' and push(id, queue, true, now) then
          returned = returned + 1
        end
      end
    end
  end
end

-- Jobs that a newer Python worker made ready but did not live to push.
local function ready(queue)
  local key = 'rq:ready:' .. queue
  for _, id in ipairs(call('ZRANGEBYSCORE', key, 0, now.int - 60, 'LIMIT', 0, most)) do
    call('ZREM', key, id)
    if field(id, 'status') == 'ready_to_enqueue' and
       push(id, queue, field(id, 'enqueue_at_front') == '1', now) then
      returned = returned + 1
    end
  end
end

-- Jobs whose dependencies have all ended more than a minute ago: RQ 1.x forgets the dependents of an
-- abandoned job, and a worker can die between a job's failure and its dependents. Any member will
-- do: what waits rightly now must not hide what waits for nothing.
local function deferred(queue)
  local key = 'rq:deferred:' .. queue
  for _, id in ipairs(call('ZRANDMEMBER', key, most)) do
    local dependencies = members('rq:job::' .. id .. ':dependencies')
    local allow = field(id, 'allow_dependency_failures') == '1'
    local met = #dependencies > 0 and field(id, 'status') == 'deferred'
    for _, other in ipairs(dependencies) do
      local status, ended = field(other, 'status'), field(other, 'ended_at')
      if not (status == 'finished' or (status == 'failed' and allow)) or ended == '' or
         ended > ARGV[6] then
        met = false
      end
    end
    if met and undefer(id, queue, now) then
      for _, other in ipairs(dependencies) do try('SREM', 'rq:job:' .. other .. ':dependents', id) end
      returned = returned + 1
    end
  end
end

local function dead_workers(registry)
  for _, key in ipairs(call('SMEMBERS', registry)) do
    if call('EXISTS', key) == 0 then
      call('SREM', registry, key)
      if call('SREM', 'rq:workers', key) == 1 then dead = dead + 1 end
    end
  end
end

-- Slots of jobs that ended in a worker which knows nothing of rate limits.
local function rate_limits()
  for _, key in ipairs(members('rq:rl-keys')) do
    local allowed = 'rq:rl:' .. key .. ':allowed'
    local holders = try('ZRANGE', allowed, 0, most - 1)
    for _, id in ipairs(holders.err and {} or holders) do
      local status = field(id, 'status')
      if status ~= 'queued' and status ~= 'started' then call('ZREM', allowed, id) end
    end
    next_by_rate(key, now)
  end
end

-- A sample of each group: expired jobs leave it, empty groups go.
local function groups()
  for _, name in ipairs(members('rq:groups')) do
    local key = 'rq:group:' .. name
    local sample = try('SRANDMEMBER', key, 50)
    for _, id in ipairs(sample.err and {} or sample) do
      if call('EXISTS', 'rq:job:' .. id) == 0 then call('SREM', key, id) end
    end
    if call('EXISTS', key) == 0 then call('SREM', 'rq:groups', name) end
  end
end

for i = 8, #ARGV do
  local queue = ARGV[i]
  call('ZREMRANGEBYSCORE', 'rq:finished:' .. queue, 0, now.int)
  call('ZREMRANGEBYSCORE', 'rq:failed:' .. queue, 0, now.int)
  abandoned(queue)
  intermediate(queue)
  ready(queue)
  deferred(queue)
  dead_workers('rq:workers:' .. queue)
end
dead_workers('rq:workers')
rate_limits()
groups()
return {failed, retried, returned, dead, told}
)lua";

}  // namespace

const redis::Script& schedule() {
  static const redis::Script script{"moving due jobs", with_common(kSchedule)};
  return script;
}

const redis::Script& maintain() {
  static const redis::Script script{"maintenance", with_common(kMaintain)};
  return script;
}

}  // namespace call::rq::scripts
