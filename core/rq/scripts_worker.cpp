// The scripts of a worker's slot: a turn (settle the last job, claim the next) and the heartbeat.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

// Arguments: see turn() in scripts.hpp.
constexpr std::string_view kFinish = R"lua(
-- The worker no longer holds this job; without an id: it holds none, whatever its record says.
local function let_go(worker_key, id)
  local shown = call('HGET', worker_key, 'current_job')
  if not shown or (id and shown ~= id) then return end
  call('HDEL', worker_key, 'current_job')
  call('HSET', worker_key, 'state', 'idle', 'current_job_working_time', '0')
end

-- a: worker, execution, queue, id, member, now, iso, outcome, value, default result ttl, seconds
-- worked, started (float), ended (float), most retries, their intervals, at front (1/0), newest type
-- of result that all readers know.
local function finish(a)
  local worker, execution, queue, id, member = a[1], a[2], a[3], a[4], a[5]
  local now = {int = tonumber(a[6]), iso = a[7]}
  local outcome, value = a[8], a[9]
  local run = {worker = worker, execution = execution, started = a[12], ended = a[13]}
  local worker_key = 'rq:worker:' .. worker
  -- The member says whose run it is, except in RQ 1's form.
  local mine = member ~= id or field(id, 'worker_name') == worker
  local held = mine and call('ZSCORE', 'rq:wip:' .. queue, member)

  local alive = call('EXISTS', worker_key) == 1
  let_go(worker_key, id)
  if not held then
    -- The lease was over and somebody declared the job abandoned. A job that succeeded after all may
    -- say so as long as nothing else has come of it.
    call('SREM', worker_key .. ':executions', id .. ':' .. execution)
    if outcome ~= 'finished' or field(id, 'status') ~= 'failed' then return 'settled' end
    call('ZREM', 'rq:failed:' .. queue, id)
  end
  drop_execution(id, execution, queue, worker, member)

  local function count(name)
    if not alive then return end
    try('HINCRBY', worker_key, name, 1)
    try('HINCRBYFLOAT', worker_key, 'total_working_time', a[11])
  end

  if call('EXISTS', 'rq:job:' .. id) == 0 then return 'gone' end
  if outcome == 'requeued' then
    set(id, 'started_at', '', 'worker_name', '')
    push(id, queue, true, now)
    return outcome
  end
  if outcome == 'finished' then
    count('successful_job_count')
    set(id, 'status', 'finished', 'ended_at', now.iso, 'last_heartbeat', now.iso, 'worker_name', worker)
    release_dependents(id, 'finished', queue, now)
    release_rate_slot(id, now)
    local ttl = number(field(id, 'result_ttl'), tonumber(a[10]))
    if ttl ~= 0 then
      add_result(id, '1', 'return_value', value, run)
      call('ZADD', 'rq:finished:' .. queue, ttl < 0 and '+inf' or now.int + ttl, id)
    end
    local repeats = count_of(field(id, 'repeats_left'))
    if repeats > 0 then
      -- RQ counts the intervals from the end.
      local wait = interval(intervals(field(id, 'repeat_intervals')), repeats)
      set(id, 'repeats_left', repeats - 1)
      if ttl > 0 then call('EXPIRE', 'rq:results:' .. id, ttl) end
      if run_again(id, queue, wait, false, now) then return outcome end
    end
    if ttl == 0 then delete_job(id) else expire_job(id, ttl) end
    return outcome
  end
  count('failed_job_count')
  if outcome == 'failed' then return retry_or_fail(id, queue, value, run, now) end
  if outcome == 'again' then
    -- The function returned a Retry: it is counted apart from retries after failures.
    local done, newest = count_of(field(id, 'number_of_retries')), tonumber(a[17])
    if done < tonumber(a[14]) then
      set(id, 'number_of_retries', done + 1, 'ended_at', now.iso, 'worker_name', '')
      if newest >= 4 then
        add_result(id, '4', '', '', run)
        local ttl = number(field(id, 'failure_ttl'), 31536000)
        if ttl > 0 then call('EXPIRE', 'rq:results:' .. id, ttl) end
      end
      if run_again(id, queue, interval(intervals(a[15]), done + 1), a[16] == '1', now) then
        return 'retried'
      end
    end
    end_badly(id, queue, 'failed', newest >= 5 and '5' or '2', value, run, now)
    return 'failed'
  end
  end_badly(id, queue, 'stopped', '2', value, run, now)
  return outcome
end
)lua";

constexpr std::string_view kClaim = R"lua(
-- What is read of a job. The worker gets all of it, in this order.
local wanted = {'data', 'status', 'timeout', 'enqueued_at', 'webhooks', 'success_callback_name',
                'success_callback_timeout', 'failure_callback_name', 'failure_callback_timeout',
                'stopped_callback_name', 'stopped_callback_timeout'}
local ended = {canceled = true, finished = true, failed = true, stopped = true}

-- The wanted fields, or nil and why this id is no job to run.
local function look(id, queue)
  local values = try('HMGET', 'rq:job:' .. id, unpack(wanted))
  if values.err then return nil, 'its key is no hash' end
  if not values[1] then return nil, 'its job is gone' end
  local status = values[2] or ''
  if ended[status] then return nil, 'it is ' .. status end
  if status == 'started' and (is_started(id, queue) or is_started(id, field(id, 'origin'))) then
    return nil, 'it is running'
  end
  return values
end

-- a: worker, execution, now, iso, float now, lease, worker ttl, composite (1/0), most bytes of data,
-- queue...
local function claim(a)
  local worker, execution = a[1], a[2]
  local now = {int = tonumber(a[3]), iso = a[4]}
  local lease, worker_ttl, most = tonumber(a[6]), tonumber(a[7]), tonumber(a[9])
  local worker_key = 'rq:worker:' .. worker
  local dropped = {}

  local function answer(id, queue, member, values)
    local out = {'job', dropped, queue, id, member, values[1] and #values[1] or 0}
    for i = 1, #wanted do
      local value = values[i] or ''
      if i > 1 then value = string.sub(value, 1, 16384) elseif #value > most then value = '' end
      out[#out + 1] = value
    end
    return out
  end

  for _, held in ipairs(members(worker_key .. ':executions')) do
    local id, run = split_member(held)
    local queue = field(id, 'origin')
    local composite = call('ZSCORE', 'rq:wip:' .. queue, held)
    local member = composite and held or id
    if not composite and not call('ZSCORE', 'rq:wip:' .. queue, id) then
      call('SREM', worker_key .. ':executions', held)
    elseif run == execution then
      return answer(id, queue, member, call('HMGET', 'rq:job:' .. id, unpack(wanted)))
    else
      drop_execution(id, run, queue, worker, member)
      push(id, queue, true, now)
    end
  end
  -- Who slept through a claim's answer may find its job given to others: no busy ghost remains.
  let_go(worker_key)

  if call('EXISTS', 'rq:suspended') == 1 then return {'suspended', dropped} end

  local function start(id, queue, values)
    local member = a[8] == '1' and id .. ':' .. execution or id
    local added = try('ZADD', 'rq:wip:' .. queue, now.int + lease, member)
    if type(added) == 'table' then
      call('LPUSH', 'rq:queue:' .. queue, id)
      error(added.err)
    end
    local run = 'rq:execution:' .. id .. ':' .. execution
    call('HSET', run, 'id', execution, 'job_id', id, 'created_at', a[5], 'last_heartbeat', a[5],
         'worker_name', worker)
    call('EXPIRE', run, lease + 60)
    try('ZADD', 'rq:executions:' .. id, now.int + lease + 60, execution)
    call('EXPIRE', 'rq:executions:' .. id, lease + 60)
    call('SADD', worker_key .. ':executions', id .. ':' .. execution)
    call('EXPIRE', worker_key .. ':executions', worker_ttl + lease)
    call('HSET', worker_key, 'state', 'busy', 'current_job', id, 'current_job_working_time', '0',
         'last_heartbeat', now.iso)
    call('EXPIRE', worker_key, worker_ttl)
    -- The queue that it was found in is its home from now on, so that whoever looks after this queue
    -- looks after it.
    set(id, 'status', 'started', 'started_at', now.iso, 'last_heartbeat', now.iso, 'worker_name', worker,
        'origin', queue)
    keep_job(id, 0)
    return answer(id, queue, member, values)
  end

  for i = 10, #a do
    while true do
      if #dropped >= 400 then return {'more', dropped} end
      local id = try('LPOP', 'rq:queue:' .. a[i])
      if type(id) == 'table' and not string.find(id.err, 'WRONGTYPE') then error(id.err) end
      if type(id) ~= 'string' then break end
      local values, why = look(id, a[i])
      if values then return start(id, a[i], values) end
      dropped[#dropped + 1] = string.sub(id, 1, 200)
      dropped[#dropped + 1] = why
    end
  end
  return {'empty', dropped}
end
)lua";

constexpr std::string_view kTurn = R"lua(
local settling, claiming = tonumber(ARGV[1]), {}
local out = {''}
if settling > 0 then
  local words = {}
  for i = 1, settling do words[i] = ARGV[i + 1] end
  out[1] = finish(words)
end
for i = settling + 2, #ARGV do claiming[#claiming + 1] = ARGV[i] end
if #claiming > 0 then
  local ok, answer = pcall(claim, claiming)
  if not ok then
    answer = {'error', {}, tostring(type(answer) == 'table' and answer.err or answer)}
  end
  out[2] = answer
end
return out
)lua";

// ARGV: worker, now, iso, float now, lease, worker ttl, queue names (comma list), then for a busy
// slot: queue, id, execution, member, seconds worked.
// Answers {1 if the worker is registered (0: it needs a new birth), 1 if the job's lease holds (0: it
// is lost, -1: and the job waits to run again, or does)}.
constexpr std::string_view kHeartbeat = R"lua(
local try = redis.pcall
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
  local others = {queued = true, started = true, scheduled = true, rate_limited = true}
  -- The member says whose run it is, except in RQ 1's form.
  local mine = member ~= id or try('HGET', 'rq:job:' .. id, 'worker_name') == worker
  if mine and redis.call('ZSCORE', 'rq:wip:' .. queue, member) then
    local run = 'rq:execution:' .. id .. ':' .. execution
    redis.call('ZADD', 'rq:wip:' .. queue, now + lease, member)
    if redis.call('EXISTS', run) == 1 then
      try('HSET', run, 'last_heartbeat', ARGV[4])
      redis.call('EXPIRE', run, lease + 60)
    end
    try('ZADD', 'rq:executions:' .. id, now + lease + 60, execution)
    redis.call('EXPIRE', 'rq:executions:' .. id, lease + 60)
    redis.call('EXPIRE', worker_key .. ':executions', worker_ttl + lease)
    if redis.call('EXISTS', 'rq:job:' .. id) == 1 then
      try('HSET', 'rq:job:' .. id, 'last_heartbeat', iso)
    end
    if born == 1 then redis.call('HSET', worker_key, 'current_job_working_time', ARGV[12]) end
  else
    local status = try('HGET', 'rq:job:' .. id, 'status')
    held = type(status) == 'string' and others[status] and -1 or 0
  end
end
return {born, held}
)lua";

}  // namespace

const redis::Script& turn() {
  static const redis::Script script{"settling or claiming a job",
                                    with_common(std::string(kFinish).append(kClaim).append(kTurn))};
  return script;
}

const redis::Script& heartbeat() {
  static const redis::Script script{"a heartbeat", std::string(kHeartbeat)};
  return script;
}

}  // namespace call::rq::scripts
