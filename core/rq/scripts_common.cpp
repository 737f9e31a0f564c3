// What ending, retrying and queueing a job means, in Lua. Python's rq does the same in several round
// trips; the field and key names are its own.
//
// Anybody may write anything into Redis, so nothing here trusts a job: a key of a wrong type reads
// as empty, a text that is no number counts as missing. Once the first write of a script has been
// made by `call` (which raises when Redis takes no writes), keys that belong to one job are written
// by `try`: a broken one costs that detail, not the job.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

constexpr std::string_view kValues = R"lua(
-- `now` is {int = unix seconds, iso = timestamp}; ids, queues and workers are names without prefix.
local call, try = redis.call, redis.pcall

local function field(id, name)
  local value = try('HGET', 'rq:job:' .. id, name)
  return type(value) == 'string' and value or ''
end
local function members(key)
  local list = try('SMEMBERS', key)
  return list.err and {} or list
end
local function set(id, ...) try('HSET', 'rq:job:' .. id, ...) end

-- A whole number of at most a hundred years of seconds.
local function number(text, default)
  if type(text) ~= 'string' and type(text) ~= 'number' then return default end
  local n = tonumber(string.match(text, '^%s*(%-?%d+)%.?%d*%s*$') or '')
  if not n then return default end
  return math.max(-3153600000, math.min(3153600000, n))
end

-- How often something may still run; nobody means a million times, so more is garbage.
local function count_of(text)
  local n = number(text, 0)
  return n > 0 and n <= 1000000 and n or 0
end

-- The intervals of a JSON list (or one number); an empty list for anything else.
local function intervals(text)
  local ok, list = pcall(cjson.decode, text)
  if ok and type(list) == 'number' then list = {list} end
  if not ok or type(list) ~= 'table' then return {} end
  return list
end
local function interval(list, index)
  if #list == 0 then return 0 end
  return number(list[math.max(1, math.min(index, #list))], 0)
end

-- A started registry's member is "J:X" (job, execution) from RQ 2 on, "J" before. A job may be named
-- like that, too.
local function split_member(member)
  local id, execution = string.match(member, '^(.+):(%x+)$')
  if id and #execution == 32 and call('EXISTS', 'rq:job:' .. member) == 0 then
    return id, execution
  end
  return member, ''
end

-- Whether a worker holds this job.
local function is_started(id, queue)
  local wip = 'rq:wip:' .. queue
  if call('ZSCORE', wip, id) then return true end
  local runs = try('ZRANGE', 'rq:executions:' .. id, 0, -1)
  for _, run in ipairs(runs.err and {} or runs) do
    if call('ZSCORE', wip, id .. ':' .. run) then return true end
  end
  return false
end
)lua";

constexpr std::string_view kMoves = R"lua(
local function drop_execution(id, execution, queue, worker, member)
  call('ZREM', 'rq:wip:' .. queue, member)
  if execution == '' then return end
  call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  try('ZREM', 'rq:executions:' .. id, execution)
  if worker ~= '' then
    try('SREM', 'rq:worker:' .. worker .. ':executions', id .. ':' .. execution)
  end
end

local function delete_job(id)
  local group = field(id, 'group_id')
  if group ~= '' then try('SREM', 'rq:group:' .. group, id) end
  call('DEL', 'rq:job:' .. id, 'rq:job:' .. id .. ':dependents',
       'rq:job::' .. id .. ':dependencies', 'rq:results:' .. id)
end

local function expire_job(id, seconds)
  for _, key in ipairs({'rq:job:' .. id, 'rq:job:' .. id .. ':dependents',
                        'rq:job::' .. id .. ':dependencies', 'rq:results:' .. id}) do
    if seconds < 0 then call('PERSIST', key) else call('EXPIRE', key, seconds) end
  end
end
-- Of a job that waits or runs; what earlier runs left (results) keeps its own time.
local function keep_job(id, seconds)
  for _, key in ipairs({'rq:job:' .. id, 'rq:job:' .. id .. ':dependents',
                        'rq:job::' .. id .. ':dependencies'}) do
    if seconds > 0 then call('EXPIRE', key, seconds) else call('PERSIST', key) end
  end
end

-- False when the queue's key is no list.
local function push(id, queue, front, now)
  local pushed = try(front and 'LPUSH' or 'RPUSH', 'rq:queue:' .. queue, id)
  if type(pushed) == 'table' then return false end
  try('SADD', 'rq:queues', 'rq:queue:' .. queue)
  set(id, 'status', 'queued', 'enqueued_at', now.iso)
  keep_job(id, number(field(id, 'ttl'), 0))
  return true
end

-- Rate limits (RQ after 2.12): whoever ends a job hands its slot to the next one that waits.
local function next_by_rate(key, now)
  local limit = number(try('HGET', 'rq:rl:' .. key, 'concurrency'), 0)
  while true do
    local taken = try('ZCARD', 'rq:rl:' .. key .. ':allowed')
    if type(taken) ~= 'number' or taken >= limit then return end
    local popped = try('ZPOPMIN', 'rq:rl:' .. key .. ':rate_limited')
    if popped.err or #popped == 0 then return end
    local id = popped[1]
    if field(id, 'status') == 'rate_limited' then
      call('ZADD', 'rq:rl:' .. key .. ':allowed', now.int, id)
      push(id, field(id, 'origin'), field(id, 'enqueue_at_front') == '1', now)
    end
  end
end
local function release_rate_slot(id, now)
  local key = field(id, 'rate_limit_key')
  if key == '' then return end
  try('ZREM', 'rq:rl:' .. key .. ':allowed', id)
  next_by_rate(key, now)
end

-- Into its queue now, or into the scheduled registry; false when the queue takes nothing.
local function run_again(id, queue, wait, front, now)
  if wait <= 0 then return push(id, queue, front, now) end
  local added = try('ZADD', 'rq:scheduled:' .. queue, now.int + wait, id)
  if type(added) == 'table' then return false end
  set(id, 'status', 'scheduled')
  keep_job(id, 0)
  release_rate_slot(id, now)
  return true
end
)lua";

constexpr std::string_view kEnds = R"lua(
-- Queues a deferred job whose dependencies are met, in the form that every RQ version reads: at
-- once, never by way of "ready_to_enqueue".
local function undefer(id, queue, now)
  local origin = field(id, 'origin')
  if origin == '' then origin = queue end
  local rate = field(id, 'rate_limit_key')
  if rate ~= '' then
    set(id, 'status', 'rate_limited')
    try('ZADD', 'rq:rl:' .. rate .. ':rate_limited', now.int, id)
    next_by_rate(rate, now)
  elseif not push(id, origin, field(id, 'enqueue_at_front') == '1', now) then
    return false
  end
  try('ZREM', 'rq:deferred:' .. origin, id)
  return true
end

-- Queues the jobs that waited for this one; `status` "" means: as if this one had never been asked.
local function release_dependents(id, status, queue, now)
  local waiting = 'rq:job:' .. id .. ':dependents'
  for _, dependent in ipairs(members(waiting)) do
    local allow = field(dependent, 'allow_dependency_failures') == '1'
    local function met(s) return s == '' or s == 'finished' or (s == 'failed' and allow) end
    local ready = field(dependent, 'status') == 'deferred' and met(status)
    if ready then
      for _, other in ipairs(members('rq:job::' .. dependent .. ':dependencies')) do
        if other ~= id and not met(field(other, 'status')) then ready = false end
      end
    end
    if ready and undefer(dependent, queue, now) then try('SREM', waiting, dependent) end
  end
end

-- run: {worker, execution, started, ended}; empty texts for a job whose worker is gone.
local function add_result(id, kind, name, value, run)
  local entry = {'type', kind, 'worker_name', run.worker}
  if value ~= '' then entry[#entry + 1] = name; entry[#entry + 1] = value end
  if run.execution ~= '' then
    for _, word in ipairs({'execution_id', run.execution, 'execution_started_at', run.started,
                           'execution_ended_at', run.ended}) do entry[#entry + 1] = word end
  end
  try('XADD', 'rq:results:' .. id, 'MAXLEN', '~', 10, '*', unpack(entry))
end

-- The final end without success; status is failed or stopped, kind the type of its result.
local function end_badly(id, queue, status, kind, failure, run, now)
  set(id, 'status', status, 'ended_at', now.iso, 'last_heartbeat', now.iso, 'worker_name', run.worker)
  release_dependents(id, status, queue, now)
  release_rate_slot(id, now)
  local ttl = number(field(id, 'failure_ttl'), 31536000)
  if ttl == 0 then delete_job(id) return end
  add_result(id, kind, 'exc_string', failure, run)
  call('ZADD', 'rq:failed:' .. queue, ttl < 0 and ttl or now.int + ttl, id)
  expire_job(id, ttl)
end

local function retry_or_fail(id, queue, failure, run, now)
  local left = count_of(field(id, 'retries_left'))
  if left > 0 then
    local list = intervals(field(id, 'retry_intervals'))
    local wait = interval(list, math.max(#list - left, 0) + 1)
    set(id, 'retries_left', left - 1, 'ended_at', now.iso, 'worker_name', '')
    local front = field(id, 'enqueue_at_front_on_retry') == '1'
    if run_again(id, queue, wait, front, now) then return 'retried' end
  end
  end_badly(id, queue, 'failed', '2', failure, run, now)
  return 'failed'
end
)lua";

}  // namespace

std::string with_common(std::string_view body) {
  return std::string(kValues).append(kMoves).append(kEnds).append(body);
}

}  // namespace call::rq::scripts
