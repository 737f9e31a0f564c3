// The scripts of those who put jobs in and take them out again.
#include "core/rq/scripts.hpp"

namespace call::rq::scripts {
namespace {

// ARGV: id, queue, now, iso, unique (1/0), at front (1/0), due (unix seconds or empty), ttl (or
// empty), then field, value, ... Answers 1, or 0 when unique and the job exists.
constexpr std::string_view kEnqueue = R"lua(
local id, queue = ARGV[1], ARGV[2]
local now = {int = tonumber(ARGV[3]), iso = ARGV[4]}
local key = 'rq:job:' .. id
if redis.call('EXISTS', key) == 1 then
  if ARGV[5] == '1' then return 0 end
  redis.call('DEL', key)
end
for i = 9, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
if ARGV[7] == '' then
  push(id, queue, ARGV[6] == '1', now)
  return 1
end
redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
redis.call('HSET', key, 'status', 'scheduled')
if ARGV[6] == '1' then redis.call('HSET', key, 'enqueue_at_front', '1') end
redis.call('ZADD', 'rq:scheduled:' .. queue, ARGV[7], id)
return 1
)lua";

// ARGV: id, now. Answers the status that the job had before, or "" when there is none.
constexpr std::string_view kCancel = R"lua(
local id, status = ARGV[1], field(ARGV[1], 'status')
local queue = field(id, 'origin')
local registry = {deferred = 'rq:deferred:', scheduled = 'rq:scheduled:'}
if status == 'queued' or status == 'created' then
  redis.call('LREM', 'rq:queue:' .. queue, 1, id)
elseif registry[status] then
  redis.call('ZREM', registry[status] .. queue, id)
else
  return status
end
redis.call('HSET', 'rq:job:' .. id, 'status', 'canceled')
redis.call('ZADD', 'rq:canceled:' .. queue, ARGV[2], id)
release_rate_slot(id, {int = tonumber(ARGV[2]), iso = ARGV[3]})
return status
)lua";

// ARGV: id, now, iso. Answers the status that the job had before, or "".
constexpr std::string_view kRequeue = R"lua(
local id, status = ARGV[1], field(ARGV[1], 'status')
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then return status end
local queue = field(id, 'origin')
redis.call('ZREM', 'rq:failed:' .. queue, id)
redis.call('ZREM', 'rq:canceled:' .. queue, id)
redis.call('HSET', 'rq:job:' .. id, 'started_at', '', 'ended_at', '', 'worker_name', '')
redis.call('HDEL', 'rq:job:' .. id, 'exc_info')
push(id, queue, false, {int = tonumber(ARGV[2]), iso = ARGV[3]})
return status
)lua";

// ARGV: queue, most jobs. Answers the number deleted.
constexpr std::string_view kPurge = R"lua(
local ids = redis.call('LPOP', 'rq:queue:' .. ARGV[1], ARGV[2]) or {}
for _, id in ipairs(ids) do delete_job(id) end
return #ids
)lua";

}  // namespace

const redis::Script& enqueue() {
  static const redis::Script script{"enqueueing a job", with_common(kEnqueue)};
  return script;
}

const redis::Script& cancel() {
  static const redis::Script script{"canceling a job", with_common(kCancel)};
  return script;
}

const redis::Script& requeue() {
  static const redis::Script script{"requeueing a job", with_common(kRequeue)};
  return script;
}

const redis::Script& purge() {
  static const redis::Script script{"purging a queue", with_common(kPurge)};
  return script;
}

}  // namespace call::rq::scripts
