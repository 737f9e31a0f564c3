// What ending, retrying and queueing a job means, in Lua. Python's rq does the same in several round
// trips; the field and key names are its own.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

constexpr std::string_view kCommon = R"lua(
-- `now` is {int = unix seconds, iso = timestamp}; ids, queues and workers are names without prefix.
local function field(id, name) return redis.call('HGET', 'rq:job:' .. id, name) or '' end
local function number(text, default) return tonumber(text) or default end

-- A started registry's member is "J:X" (job, execution) from RQ 2 on, "J" before.
local function split_member(member)
  local id, execution = string.match(member, '^(.+):(%x+)$')
  if id and #execution == 32 then return id, execution end
  return member, ''
end

local function drop_execution(id, execution, queue, worker, member)
  redis.call('ZREM', 'rq:wip:' .. queue, member)
  if execution == '' then return end
  redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  redis.call('ZREM', 'rq:executions:' .. id, execution)
  if worker ~= '' then
    redis.call('SREM', 'rq:worker:' .. worker .. ':executions', id .. ':' .. execution)
  end
end

local function delete_job(id)
  local group = field(id, 'group_id')
  if group ~= '' then redis.call('SREM', 'rq:group:' .. group, id) end
  redis.call('DEL', 'rq:job:' .. id, 'rq:job:' .. id .. ':dependents',
             'rq:job::' .. id .. ':dependencies', 'rq:results:' .. id)
end

local function expire_job(id, seconds)
  for _, key in ipairs({'rq:job:' .. id, 'rq:job:' .. id .. ':dependents',
                        'rq:job::' .. id .. ':dependencies', 'rq:results:' .. id}) do
    if seconds < 0 then redis.call('PERSIST', key) else redis.call('EXPIRE', key, seconds) end
  end
end

local function push(id, queue, front, now)
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  redis.call('HSET', 'rq:job:' .. id, 'status', 'queued', 'enqueued_at', now.iso)
  local ttl = number(field(id, 'ttl'), 0)
  if ttl > 0 then redis.call('EXPIRE', 'rq:job:' .. id, ttl)
  else redis.call('PERSIST', 'rq:job:' .. id) end
  redis.call(front and 'LPUSH' or 'RPUSH', 'rq:queue:' .. queue, id)
end

-- Rate limits (RQ after 2.10): whoever ends a job hands its slot to the next one that waits.
local function next_by_rate(key, now)
  local limit = number(redis.call('HGET', 'rq:rl:' .. key, 'concurrency'), 0)
  while redis.call('ZCARD', 'rq:rl:' .. key .. ':allowed') < limit do
    local popped = redis.call('ZPOPMIN', 'rq:rl:' .. key .. ':rate_limited')
    if #popped == 0 then return end
    local id = popped[1]
    if field(id, 'status') == 'rate_limited' then
      redis.call('ZADD', 'rq:rl:' .. key .. ':allowed', now.int, id)
      push(id, field(id, 'origin'), field(id, 'enqueue_at_front') == '1', now)
    end
  end
end
local function release_rate_slot(id, now)
  local key = field(id, 'rate_limit_key')
  if key == '' then return end
  redis.call('ZREM', 'rq:rl:' .. key .. ':allowed', id)
  next_by_rate(key, now)
end

-- Queues the jobs that waited for this one, in the form that every RQ version reads: at once, never
-- by way of "ready_to_enqueue".
local function release_dependents(id, status, now)
  local waiting = 'rq:job:' .. id .. ':dependents'
  for _, dependent in ipairs(redis.call('SMEMBERS', waiting)) do
    local allow = field(dependent, 'allow_dependency_failures') == '1'
    local function met(s) return s == '' or s == 'finished' or (s == 'failed' and allow) end
    local ready = field(dependent, 'status') == 'deferred' and met(status)
    if ready then
      for _, other in ipairs(redis.call('SMEMBERS', 'rq:job::' .. dependent .. ':dependencies')) do
        if other ~= id and not met(field(other, 'status')) then ready = false end
      end
    end
    if ready then
      local origin = field(dependent, 'origin')
      redis.call('ZREM', 'rq:deferred:' .. origin, dependent)
      redis.call('SREM', waiting, dependent)
      local rate = field(dependent, 'rate_limit_key')
      if rate ~= '' then
        redis.call('HSET', 'rq:job:' .. dependent, 'status', 'rate_limited')
        redis.call('ZADD', 'rq:rl:' .. rate .. ':rate_limited', now.int, dependent)
        next_by_rate(rate, now)
      else
        push(dependent, origin, field(dependent, 'enqueue_at_front') == '1', now)
      end
    end
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
  redis.call('XADD', 'rq:results:' .. id, 'MAXLEN', '~', 10, '*', unpack(entry))
end

-- The final end without success; status is failed or stopped.
local function end_badly(id, queue, status, failure, run, now)
  redis.call('HSET', 'rq:job:' .. id, 'status', status, 'ended_at', now.iso, 'last_heartbeat',
             now.iso, 'worker_name', run.worker)
  release_dependents(id, status, now)
  release_rate_slot(id, now)
  local ttl = number(field(id, 'failure_ttl'), 31536000)
  if ttl == 0 then delete_job(id) return end
  add_result(id, '2', 'exc_string', failure, run)
  redis.call('ZADD', 'rq:failed:' .. queue, ttl < 0 and ttl or now.int + ttl, id)
  expire_job(id, ttl)
end

local function retry_or_fail(id, queue, failure, run, now)
  local left = number(field(id, 'retries_left'), 0)
  if left <= 0 then
    end_badly(id, queue, 'failed', failure, run, now)
    return 'failed'
  end
  local ok, intervals = pcall(cjson.decode, field(id, 'retry_intervals'))
  if not ok or type(intervals) ~= 'table' then intervals = {} end
  local wait = number(intervals[math.max(#intervals - left, 0) + 1], 0)
  redis.call('HSET', 'rq:job:' .. id, 'retries_left', left - 1, 'ended_at', now.iso, 'worker_name', '')
  if wait <= 0 then
    push(id, queue, field(id, 'enqueue_at_front_on_retry') == '1', now)
    return 'retried'
  end
  redis.call('HSET', 'rq:job:' .. id, 'status', 'scheduled')
  redis.call('ZADD', 'rq:scheduled:' .. queue, now.int + wait, id)
  release_rate_slot(id, now)
  return 'retried'
end
)lua";

}  // namespace

std::string with_common(std::string_view body) {
  return std::string(kCommon).append(body);
}

}  // namespace call::rq::scripts
