// Housekeeping for the queues of this worker: due jobs every second, abandoned jobs and dead workers
// every maintain_every, and a look at which other RQ versions work here.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/host.hpp"
#include "core/rq/job_run.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/reads.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::rq {
namespace {

constexpr std::chrono::milliseconds kTick{1000};
constexpr std::string_view kMostAtOnce = "200";  // keeps each script below some milliseconds
constexpr int kNoPeers = 99999;                  // as a version: newer than any

class Keeper {
 public:
  Keeper(redis::Connection& connection, Crew& crew) : connection_(connection), crew_(crew) {
    // Decimal, since RQ up to 2.9 reads the lock's value as a process id.
    std::array<std::uint8_t, 6> random{};
    fill_random(random);
    std::uint64_t number = 0;
    for (const auto byte : random) number = number << 8 | byte;
    name_ = std::to_string(number);
  }

  Status move_due_jobs();
  Status maintain();
  Status clean(const std::string& queue, std::string_view most_abandoned);
  Status tell_abandoned(const std::string& id, const std::string& queue, const std::string& came_to,
                        const std::string& text);
  Status look_at_peers();
  void release_locks();
  /// Redis was away, for whoever it was: nobody could renew a lease, so none is judged until all had
  /// the time to.
  void forgive() { judge_from_ = MonoClock::now() + crew_.options.lease; }

 private:
  /// "0" when this Redis has not been up for long enough that a lease that is over means something.
  Result<std::string_view> most_abandoned();

  redis::Connection& connection_;
  Crew& crew_;
  std::string name_;
  MonoClock::time_point judge_from_{};
};

Status Keeper::move_due_jobs() {
  if (!crew_.options.scheduler) return {};
  while (true) {
    const Stamp now = stamp();
    redis::Command words = {name_,
                            now.seconds,
                            now.iso,
                            std::to_string(::getpid()),
                            host_name(),
                            crew_.queue_list,
                            std::string(kMostAtOnce)};
    words.insert(words.end(), crew_.options.queues.begin(), crew_.options.queues.end());
    CALL_TRY(const auto reply,
             connection_.run(scripts::schedule(), {}, words, Deadline::after(kRedisPatience)));
    if (reply.items.size() != 2 || reply.items[1].integer == 0) return {};
  }
}

Result<std::string_view> Keeper::most_abandoned() {
  constexpr std::string_view kNone = "0";
  if (MonoClock::now() < judge_from_) return kNone;
  CALL_TRY(const auto reply,
           connection_.command(redis::cmd("INFO", "server"), Deadline::after(kRedisPatience)));
  constexpr std::string_view kKey = "uptime_in_seconds:";
  const auto at = reply.text.find(kKey);
  if (at == std::string::npos) return kMostAtOnce;
  const auto value = std::string_view(reply.text).substr(at + kKey.size());
  const auto uptime = parse_number<std::int64_t>(trim(value.substr(0, value.find('\n'))));
  return uptime && *uptime < crew_.options.lease.count() ? kNone : kMostAtOnce;
}

Status Keeper::maintain() {
  CALL_TRY(const auto most_abandoned, this->most_abandoned());
  for (const auto& queue : crew_.options.queues) CALL_CHECK(clean(queue, most_abandoned));
  CALL_TRY(const auto depths,
           queues(connection_, crew_.options.queues, Deadline::after(kRedisPatience)));
  for (const auto& depth : depths) crew_.meters.depth(depth);
  return look_at_peers();
}

Status Keeper::clean(const std::string& queue, std::string_view most_abandoned) {
  const Stamp now = stamp();
  const std::string text =
      "Moved to FailedJobRegistry, due to AbandonedJobError, at " + now.iso;  // RQ's own words
  const redis::Command words = {now.seconds,
                                now.iso,
                                now.real,
                                std::string(kMostAtOnce),
                                encode_failure(text),
                                stamp(wall_now() - std::chrono::minutes(1)).iso,
                                std::string(most_abandoned),
                                queue};
  CALL_TRY(const auto reply,
           connection_.run(scripts::maintain(), {}, words, Deadline::after(kRedisPatience)));
  if (reply.items.size() != 5) return Error{Errc::protocol, "maintenance with a strange answer"};
  const auto failed = reply.items[0].integer;
  const auto retried = reply.items[1].integer;
  const auto returned = reply.items[2].integer;
  const auto dead = reply.items[3].integer;
  crew_.meters.found(queue, "failed", failed);
  crew_.meters.found(queue, "retried", retried);
  crew_.meters.found(queue, "returned", returned);
  if (failed + retried + returned > 0)
    crew_.log.warn("found jobs in {} whose worker is gone: {} failed, {} tried again, {} put back",
                   queue, failed, retried, returned);
  if (dead > 0) crew_.log.info("removed {} dead workers from the registry", dead);
  const auto told = redis::texts(reply.items[4]);
  for (std::size_t i = 0; i + 2 < told.size(); i += 3)
    CALL_CHECK(tell_abandoned(told[i], told[i + 1], told[i + 2], text));
  return {};
}

/// Runs the on_failure of an abandoned job and sends its webhooks, as RQ's own clean-up does.
Status Keeper::tell_abandoned(const std::string& id, const std::string& queue,
                              const std::string& came_to, const std::string& text) {
  const auto words = redis::cmd("HMGET", keys::job(id), "data", "failure_callback_name",
                                "failure_callback_timeout", "webhooks", "enqueued_at");
  CALL_TRY(const auto reply, connection_.command(words, Deadline::after(kRedisPatience)));
  const auto values = redis::texts(reply);
  if (values.size() != 5) return {};
  Json args;
  Json kwargs;
  const auto call =
      decode_call(values[0].size() <= kMaxDataBytes ? values[0] : std::string(), args, kwargs);
  Running job;
  job.job_id = id;
  job.queue = queue;
  if (call) job.function = call->function;
  if (call) job.serializer = call->serializer;
  job.on_failure.name = values[1];
  if (const auto seconds = parse_number<std::int64_t>(values[2]); seconds && *seconds > 0)
    job.on_failure.timeout = std::chrono::seconds(*seconds);
  call_back_aside(crew_, job, "failed", text);
  if (came_to != "failed" || values[3].empty() || !crew_.options.webhooks) return {};
  crew_.hooks.send(values[3], {id, job.function, "failed", values[4], stamp().iso, text});
  return {};
}

/// What the RQ workers of other versions here can read: 1.x silently deletes composite entries of the
/// started registry in its clean-up; a result of an unknown type is an exception in its readers.
Status Keeper::look_at_peers() {
  const auto deadline = Deadline::after(kRedisPatience);
  CALL_TRY(const auto members,
           connection_.command(redis::cmd("SMEMBERS", keys::kWorkers), deadline));
  std::vector<redis::Command> commands;
  for (const auto& key : redis::texts(members))
    commands.push_back(redis::cmd("HMGET", key, "version", "python_version"));
  CALL_TRY(const auto replies, connection_.pipeline(commands, deadline));
  int oldest = kNoPeers;
  for (const auto& reply : replies) {
    const auto values = redis::texts(reply);
    if (values.size() != 2 || values[0].empty() || values[1].starts_with("calld")) continue;
    const auto parts = split(values[0], '.');
    const int major = parse_number<int>(parts[0]).value_or(0);
    const int minor = parts.size() > 1 ? parse_number<int>(parts[1]).value_or(0) : 0;
    oldest = std::min(oldest, major * 100 + minor);
  }
  // Nobody here: the readers may be of any age.
  crew_.newest_result = oldest == kNoPeers ? 2 : oldest >= 208 ? 5 : oldest >= 201 ? 4 : 2;
  if (crew_.options.wip_entry != WipEntry::automatic) return {};
  const bool old_worker = oldest < 200;
  if (crew_.composite.exchange(!old_worker) == old_worker)
    crew_.log.info("started jobs are registered as RQ {} does: {} RQ 1.x worker is here",
                   old_worker ? 1 : 2, old_worker ? "an" : "no");
  return {};
}

void Keeper::release_locks() {
  static const redis::Script release{
      "releasing the scheduler locks",
      "for i = 2, #ARGV do local lock = 'rq:scheduler-lock:' .. ARGV[i] "
      "if redis.call('GET', lock) == ARGV[1] then redis.call('DEL', lock) end end "
      "redis.call('DEL', 'rq:scheduler:' .. ARGV[1])"};
  redis::Command words = {name_};
  words.insert(words.end(), crew_.options.queues.begin(), crew_.options.queues.end());
  // Should this fail, the locks end by themselves.
  const auto released = connection_.run(release, {}, words, Deadline::after(kTick));
  if (!released) crew_.log.debug("{}", released.error().to_string());
}

}  // namespace

Status keep_once(redis::Connection& connection, Crew& crew) {
  Keeper keeper(connection, crew);
  CALL_CHECK(keeper.move_due_jobs());
  keeper.release_locks();
  return keeper.maintain();
}

void run_keeper(Crew& crew) {
  runtime::name_this_thread("rq-keep");
  auto connection = crew.connect("keep");
  Keeper keeper(connection, crew);
  auto next = MonoClock::now() + crew.options.maintain_every;
  while (!crew.ending) {
    auto status = connection.ensure_connected(Deadline::after(kRedisPatience));
    if (status) status = keeper.move_due_jobs();
    if (status && MonoClock::now() >= next) {
      status = keeper.maintain();
      next = MonoClock::now() + crew.options.maintain_every;
    }
    crew.note_redis(status);
    if (!status) keeper.forgive();
    crew.keep_alarm.wait(
        Deadline::after(std::min<std::chrono::milliseconds>(kTick, crew.options.maintain_every)));
  }
  if (connection.connected()) keeper.release_locks();
}

}  // namespace call::rq
