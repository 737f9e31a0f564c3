// The scripts of a worker's slot: claim, finish, heartbeat.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

// ARGV: worker, execution, now, iso, float now, lease, worker ttl, composite (1/0), queue...
// Answers {"suspended"}, {"empty"} or {"job", queue, id, member, hash as flat list}.
//
// Asking again with the same execution after a lost answer gives the same job. Any other job that
// this worker holds was handed out but never heard of (its answer was lost): it goes back.
constexpr std::string_view kClaim = R"lua(
local worker, execution = ARGV[1], ARGV[2]
local now = {int = tonumber(ARGV[3]), iso = ARGV[4]}
local lease, worker_ttl = tonumber(ARGV[6]), tonumber(ARGV[7])
local worker_key = 'rq:worker:' .. worker

for _, held in ipairs(redis.call('SMEMBERS', worker_key .. ':executions')) do
  local id, run = split_member(held)
  local queue = field(id, 'origin')
  local composite = redis.call('ZSCORE', 'rq:wip:' .. queue, held)
  local member = composite and held or id
  if not composite and not redis.call('ZSCORE', 'rq:wip:' .. queue, id) then
    redis.call('SREM', worker_key .. ':executions', held)
  elseif run == execution then
    return {'job', queue, id, member, redis.call('HGETALL', 'rq:job:' .. id)}
  else
    drop_execution(id, run, queue, worker, member)
    push(id, queue, true, now)
  end
end

if redis.call('EXISTS', 'rq:suspended') == 1 then return {'suspended'} end

local function running_elsewhere(id, queue)
  if field(id, 'status') ~= 'started' then return false end
  if redis.call('ZSCORE', 'rq:wip:' .. queue, id) then return true end
  for _, run in ipairs(redis.call('ZRANGE', 'rq:executions:' .. id, 0, -1)) do
    if redis.call('ZSCORE', 'rq:wip:' .. queue, id .. ':' .. run) then return true end
  end
  return false
end

local function start(id, queue)
  local member = ARGV[8] == '1' and id .. ':' .. execution or id
  local run = 'rq:execution:' .. id .. ':' .. execution
  redis.call('HSET', run, 'id', execution, 'job_id', id, 'created_at', ARGV[5], 'last_heartbeat',
             ARGV[5], 'worker_name', worker)
  redis.call('EXPIRE', run, lease + 60)
  redis.call('ZADD', 'rq:executions:' .. id, now.int + lease + 60, execution)
  redis.call('EXPIRE', 'rq:executions:' .. id, lease + 60)
  redis.call('ZADD', 'rq:wip:' .. queue, now.int + lease, member)
  redis.call('SADD', worker_key .. ':executions', id .. ':' .. execution)
  redis.call('EXPIRE', worker_key .. ':executions', worker_ttl + lease)
  redis.call('HSET', worker_key, 'state', 'busy', 'current_job', id, 'current_job_working_time', '0',
             'last_heartbeat', now.iso)
  redis.call('EXPIRE', worker_key, worker_ttl)
  redis.call('HSET', 'rq:job:' .. id, 'status', 'started', 'started_at', now.iso, 'last_heartbeat',
             now.iso, 'worker_name', worker)
  redis.call('PERSIST', 'rq:job:' .. id)
  return {'job', queue, id, member, redis.call('HGETALL', 'rq:job:' .. id)}
end

for i = 9, #ARGV do
  while true do
    local id = redis.call('LPOP', 'rq:queue:' .. ARGV[i])
    if not id then break end
    local queue = field(id, 'origin')
    if queue == '' then
      queue = ARGV[i]
      if redis.call('HEXISTS', 'rq:job:' .. id, 'data') == 1 then
        redis.call('HSET', 'rq:job:' .. id, 'origin', queue)
      end
    end
    -- Ids of deleted, expired and canceled jobs stay in the list: they are dropped here.
    if redis.call('HEXISTS', 'rq:job:' .. id, 'data') == 1 and field(id, 'status') ~= 'canceled'
       and not running_elsewhere(id, queue) then
      return start(id, queue)
    end
  end
end
return {'empty'}
)lua";

// ARGV: worker, execution, queue, id, member, now, iso, outcome, value, default result ttl,
// seconds worked, started (float), ended (float).
// outcome: finished (value: return value), failed, stopped (value: failure text), requeued.
// Answers the end that the job came to: finished, failed, retried, stopped, requeued, gone (the job
// was deleted), settled (ended by an earlier try of this very call, or by somebody else).
constexpr std::string_view kFinish = R"lua(
local worker, execution, queue, id, member = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now = {int = tonumber(ARGV[6]), iso = ARGV[7]}
local outcome, value = ARGV[8], ARGV[9]
local run = {worker = worker, execution = execution, started = ARGV[12], ended = ARGV[13]}
local worker_key = 'rq:worker:' .. worker

local alive = redis.call('EXISTS', worker_key) == 1
if alive and redis.call('HGET', worker_key, 'current_job') == id then
  redis.call('HDEL', worker_key, 'current_job')
  redis.call('HSET', worker_key, 'state', 'idle', 'current_job_working_time', '0')
end
if not redis.call('ZSCORE', 'rq:wip:' .. queue, member) then
  -- The lease was over and somebody declared the job abandoned. A job that succeeded after all may
  -- say so as long as nothing else has come of it.
  redis.call('SREM', worker_key .. ':executions', id .. ':' .. execution)
  if outcome ~= 'finished' or field(id, 'status') ~= 'failed' then return 'settled' end
  redis.call('ZREM', 'rq:failed:' .. queue, id)
end
drop_execution(id, execution, queue, worker, member)

local function count(name)
  if not alive then return end
  redis.call('HINCRBY', worker_key, name, 1)
  redis.call('HINCRBYFLOAT', worker_key, 'total_working_time', ARGV[11])
end

if redis.call('EXISTS', 'rq:job:' .. id) == 0 then return 'gone' end
if outcome == 'requeued' then
  redis.call('HSET', 'rq:job:' .. id, 'started_at', '', 'worker_name', '')
  push(id, queue, true, now)
  return outcome
elseif outcome == 'finished' then
  count('successful_job_count')
  redis.call('HSET', 'rq:job:' .. id, 'status', 'finished', 'ended_at', now.iso, 'last_heartbeat',
             now.iso, 'worker_name', worker)
  release_dependents(id, 'finished', now)
  release_rate_slot(id, now)
  local ttl = number(field(id, 'result_ttl'), tonumber(ARGV[10]))
  if ttl == 0 then delete_job(id) return outcome end
  add_result(id, '1', 'return_value', value, run)
  redis.call('ZADD', 'rq:finished:' .. queue, ttl < 0 and '+inf' or now.int + ttl, id)
  expire_job(id, ttl)
  return outcome
end
count('failed_job_count')
if outcome == 'failed' then return retry_or_fail(id, queue, value, run, now) end
end_badly(id, queue, 'stopped', value, run, now)
return outcome
)lua";

// ARGV: worker, now, iso, float now, lease, worker ttl, queue names (comma list), then for a busy
// slot: queue, id, execution, member, seconds worked.
// Answers {1 if the worker is registered (0: it needs a new birth), 1 if the job's lease holds}.
constexpr std::string_view kHeartbeat = R"lua(
local worker, now, iso = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local lease, worker_ttl = tonumber(ARGV[5]), tonumber(ARGV[6])
local worker_key = 'rq:worker:' .. worker
local born, held = redis.call('HEXISTS', worker_key, 'birth'), 1

if redis.call('HEXISTS', worker_key, 'death') == 1 then return {1, 1} end
if born == 1 then
  redis.call('HSET', worker_key, 'last_heartbeat', iso)
  redis.call('EXPIRE', worker_key, worker_ttl)
  redis.call('SADD', 'rq:workers', worker_key)
  for queue in string.gmatch(ARGV[7], '[^,]+') do
    redis.call('SADD', 'rq:workers:' .. queue, worker_key)
  end
end
if #ARGV > 7 then
  local queue, id, execution, member = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
  if redis.call('ZSCORE', 'rq:wip:' .. queue, member) then
    local run = 'rq:execution:' .. id .. ':' .. execution
    redis.call('ZADD', 'rq:wip:' .. queue, now + lease, member)
    if redis.call('EXISTS', run) == 1 then
      redis.call('HSET', run, 'last_heartbeat', ARGV[4])
      redis.call('EXPIRE', run, lease + 60)
    end
    redis.call('ZADD', 'rq:executions:' .. id, now + lease + 60, execution)
    redis.call('EXPIRE', 'rq:executions:' .. id, lease + 60)
    redis.call('EXPIRE', worker_key .. ':executions', worker_ttl + lease)
    if redis.call('EXISTS', 'rq:job:' .. id) == 1 then
      redis.call('HSET', 'rq:job:' .. id, 'last_heartbeat', iso)
    end
    if born == 1 then redis.call('HSET', worker_key, 'current_job_working_time', ARGV[12]) end
  else
    held = 0
  end
end
return {born, held}
)lua";

}  // namespace

const redis::Script& claim() {
  static const redis::Script script{"claiming a job", with_common(kClaim)};
  return script;
}

const redis::Script& finish() {
  static const redis::Script script{"settling a job", with_common(kFinish)};
  return script;
}

const redis::Script& heartbeat() {
  static const redis::Script script{"a heartbeat", std::string(kHeartbeat)};
  return script;
}

}  // namespace call::rq::scripts
