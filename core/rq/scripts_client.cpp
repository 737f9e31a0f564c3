// The scripts of those who put jobs in and take them out again.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

// ARGV: id, queue, now, iso, unique (1/0), at front (1/0), due (unix seconds or empty), ttl (or
// empty), group (or empty), number of dependencies, each of them, then field, value, ... Answers 1; 0
// when unique and the job exists; -1 when it is running and would be overwritten.
constexpr std::string_view kEnqueue = R"lua(
local id, queue = ARGV[1], ARGV[2]
local now, ttl = {int = tonumber(ARGV[3]), iso = ARGV[4]}, tonumber(ARGV[8])
local key, front = 'rq:job:' .. id, ARGV[6] == '1'
if call('EXISTS', key) == 1 then
  if ARGV[5] == '1' then return 0 end
  if field(id, 'status') == 'started' and is_started(id, field(id, 'origin')) then return -1 end
  call('DEL', key, 'rq:job::' .. id .. ':dependencies')
end
local first = 11 + tonumber(ARGV[10])
call('HSET', key, unpack(ARGV, first))
if ARGV[9] ~= '' then
  call('SADD', 'rq:group:' .. ARGV[9], id)
  call('SADD', 'rq:groups', ARGV[9])
end
if front then set(id, 'enqueue_at_front', '1') end

local waits, allow = false, field(id, 'allow_dependency_failures') == '1'
for i = 11, first - 1 do
  local status = field(ARGV[i], 'status')
  if status ~= '' and status ~= 'finished' and not (status == 'failed' and allow) then waits = true end
end
if waits then
  for i = 11, first - 1 do
    call('SADD', 'rq:job:' .. ARGV[i] .. ':dependents', id)
    call('SADD', 'rq:job::' .. id .. ':dependencies', ARGV[i])
  end
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  set(id, 'status', 'deferred')
  keep_job(id, ttl or 0)
  -- RQ 2.0 to 2.7 take this score for the time at which the job has failed.
  call('ZADD', 'rq:deferred:' .. queue, ttl and now.int + ttl or '+inf', id)
elseif ARGV[7] ~= '' then
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  set(id, 'status', 'scheduled')
  call('ZADD', 'rq:scheduled:' .. queue, ARGV[7], id)
elseif not push(id, queue, front, now) then
  call('DEL', key)
  error('rq:queue:' .. queue .. ' is no list')
end
return 1
)lua";

// The changes of existing jobs have ARGV: now, iso, option, id, ... Each answers the status that each
// job had before, "" for one that does not exist; change() does nothing to a job whose status it
// does not fit.
constexpr std::string_view kNow = R"lua(
local now, option = {int = tonumber(ARGV[1]), iso = ARGV[2]}, ARGV[3]
)lua";
constexpr std::string_view kForEach = R"lua(
local statuses = {}
for i = 4, #ARGV do statuses[#statuses + 1] = change(ARGV[i], field(ARGV[i], 'status')) end
return statuses
)lua";

// option: "1" releases the jobs that wait for this one.
constexpr std::string_view kCancel = R"lua(
local function change(id, status)
  local queue = field(id, 'origin')
  local registry = {deferred = 'rq:deferred:', scheduled = 'rq:scheduled:'}
  if status == 'queued' or status == 'created' then
    call('LREM', 'rq:queue:' .. queue, 1, id)
  elseif registry[status] then
    call('ZREM', registry[status] .. queue, id)
  else
    return status
  end
  set(id, 'status', 'canceled')
  call('ZADD', 'rq:canceled:' .. queue, now.int, id)
  release_rate_slot(id, now)
  if option == '1' then release_dependents(id, '', queue, now) end
  return status
end
)lua";

constexpr std::string_view kRequeue = R"lua(
local function change(id, status)
  if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then return status end
  local queue = field(id, 'origin')
  call('ZREM', 'rq:failed:' .. queue, id)
  call('ZREM', 'rq:canceled:' .. queue, id)
  set(id, 'started_at', '', 'ended_at', '', 'worker_name', '')
  call('HDEL', 'rq:job:' .. id, 'exc_info')
  push(id, queue, false, now)
  return status
end
)lua";

// Deletes with all that belongs to it; "started" means that nothing was done since it runs.
constexpr std::string_view kRemove = R"lua(
local function change(id, status)
  if call('EXISTS', 'rq:job:' .. id) == 0 then return '' end
  local queue = field(id, 'origin')
  if status == 'started' and is_started(id, queue) then return status end
  call('LREM', 'rq:queue:' .. queue, 0, id)
  for _, name in ipairs({'deferred', 'scheduled', 'finished', 'failed', 'canceled'}) do
    call('ZREM', 'rq:' .. name .. ':' .. queue, id)
  end
  release_rate_slot(id, now)
  delete_job(id)
  return (status == '' or status == 'started') and 'unknown' or status
end
)lua";

// ARGV: id, the meta as it was read, the new one. Answers 1; 0 when it is another one meanwhile; -1
// when there is no such job.
constexpr std::string_view kSetMeta = R"lua(
if call('EXISTS', 'rq:job:' .. ARGV[1]) == 0 then return -1 end
if field(ARGV[1], 'meta') ~= ARGV[2] then return 0 end
call('HSET', 'rq:job:' .. ARGV[1], 'meta', ARGV[3])
return 1
)lua";

// ARGV: queue, set (queued, finished, failed, deferred, scheduled, canceled), most jobs. Answers the
// number deleted.
constexpr std::string_view kPurge = R"lua(
local ids = {}
if ARGV[2] == 'queued' then
  ids = call('LPOP', 'rq:queue:' .. ARGV[1], ARGV[3]) or {}
else
  local popped = call('ZPOPMIN', 'rq:' .. ARGV[2] .. ':' .. ARGV[1], ARGV[3])
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
end
for _, id in ipairs(ids) do delete_job(id) end
return #ids
)lua";

std::string for_each(std::string_view change) {
  return with_common(std::string(kNow).append(change).append(kForEach));
}

}  // namespace

const redis::Script& enqueue() {
  static const redis::Script script{"enqueueing a job", with_common(kEnqueue)};
  return script;
}

const redis::Script& cancel() {
  static const redis::Script script{"canceling a job", for_each(kCancel)};
  return script;
}

const redis::Script& requeue() {
  static const redis::Script script{"requeueing a job", for_each(kRequeue)};
  return script;
}

const redis::Script& remove() {
  static const redis::Script script{"deleting a job", for_each(kRemove)};
  return script;
}

const redis::Script& set_meta() {
  static const redis::Script script{"setting a job's meta", with_common(kSetMeta)};
  return script;
}

const redis::Script& purge() {
  static const redis::Script script{"purging a queue", with_common(kPurge)};
  return script;
}

}  // namespace call::rq::scripts
