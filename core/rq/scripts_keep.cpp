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
  local due = redis.call('ZRANGEBYSCORE', scheduled, 0, now.int, 'LIMIT', 0, room)
  for _, id in ipairs(due) do
    redis.call('ZREM', scheduled, id)
    if redis.call('HEXISTS', 'rq:job:' .. id, 'data') == 1 and field(id, 'status') ~= 'canceled' then
      push(id, queue, field(id, 'enqueue_at_front') == '1', now)
      moved = moved + 1
    end
  end
  if #due == room then more = 1 end
end

for i = 8, #ARGV do
  local lock = 'rq:scheduler-lock:' .. ARGV[i]
  local owner = redis.call('GET', lock)
  if not owner then redis.call('SET', lock, name, 'EX', 61) end
  if not owner or owner == name then
    redis.call('EXPIRE', lock, 61)
    local key = 'rq:scheduler:' .. name
    if redis.call('HSET', key, 'last_heartbeat', now.iso) == 1 then
      redis.call('HSET', key, 'name', name, 'pid', ARGV[4], 'hostname', ARGV[5], 'queues', ARGV[6],
                 'created_at', now.iso)
    end
    redis.call('EXPIRE', key, 61)
    due_jobs(ARGV[i])
  end
end
return {moved, more}
)lua";

// ARGV: now, iso, float now, most jobs of each kind, failure text of abandoned jobs, queue...
// Answers {failed, retried, given back, dead workers}.
constexpr std::string_view kMaintain = R"lua(
local now = {int = tonumber(ARGV[1]), iso = ARGV[2]}
local most = tonumber(ARGV[4])
local failed, retried, returned, dead = 0, 0, 0, 0

local function abandoned(queue)
  local wip = 'rq:wip:' .. queue
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', wip, 0, now.int, 'LIMIT', 0, most)) do
    local id, execution = split_member(member)
    drop_execution(id, execution, queue, field(id, 'worker_name'), member)
    -- Any other status: the job has come to an end some other way, only this entry was left.
    if field(id, 'status') == 'started' then
      local run = {worker = '', execution = '', started = '', ended = ''}
      if retry_or_fail(id, queue, ARGV[5], run, now) == 'failed' then failed = failed + 1
      else retried = retried + 1 end
    end
  end
end

local function is_started(id, queue)
  if redis.call('ZSCORE', 'rq:wip:' .. queue, id) then return true end
  for _, run in ipairs(redis.call('ZRANGE', 'rq:executions:' .. id, 0, -1)) do
    if redis.call('ZSCORE', 'rq:wip:' .. queue, id .. ':' .. run) then return true end
  end
  return false
end

-- A Python worker that died between taking a job and starting it leaves it here. After a minute it
-- goes back to the front of its queue (Python fails it, although it never ran).
local function intermediate(queue)
  local list = 'rq:queue:' .. queue .. ':intermediate'
  for _, id in ipairs(redis.call('LRANGE', list, 0, most - 1)) do
    local mark = list .. ':first_seen:' .. id
    if redis.call('HEXISTS', 'rq:job:' .. id, 'data') == 0 or field(id, 'status') == 'canceled' then
      redis.call('LREM', list, 1, id)
    elseif not is_started(id, queue) then
      local seen = redis.call('GET', mark)
      if not seen then
        redis.call('SET', mark, ARGV[3], 'NX', 'EX', 86400)
      elseif now.int - number(seen, now.int) > 60 then
        redis.call('DEL', mark)
        redis.call('LREM', list, 1, id)
        if field(id, 'status') == 'queued' then
          push(id, queue, true, now)
          returned = returned + 1
        end
      end
    end
  end
end

-- Jobs that a newer Python worker made ready but did not live to push.
local function ready(queue)
  local key = 'rq:ready:' .. queue
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, 0, now.int - 60, 'LIMIT', 0, most)) do
    redis.call('ZREM', key, id)
    if field(id, 'status') == 'ready_to_enqueue' then
      push(id, queue, field(id, 'enqueue_at_front') == '1', now)
      returned = returned + 1
    end
  end
end

local function dead_workers(registry)
  for _, key in ipairs(redis.call('SMEMBERS', registry)) do
    if redis.call('EXISTS', key) == 0 then
      redis.call('SREM', registry, key)
      if redis.call('SREM', 'rq:workers', key) == 1 then dead = dead + 1 end
    end
  end
end

for i = 6, #ARGV do
  local queue = ARGV[i]
  redis.call('ZREMRANGEBYSCORE', 'rq:finished:' .. queue, 0, now.int)
  redis.call('ZREMRANGEBYSCORE', 'rq:failed:' .. queue, 0, now.int)
  abandoned(queue)
  intermediate(queue)
  ready(queue)
  dead_workers('rq:workers:' .. queue)
end
dead_workers('rq:workers')
return {failed, retried, returned, dead}
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
