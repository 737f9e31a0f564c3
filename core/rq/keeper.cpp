// Housekeeping for the queues of this worker: due jobs every second, abandoned jobs and dead workers
// every maintain_every, and the choice of how jobs are written into the started registry.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/base/ids.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/host.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::rq {
namespace {

constexpr std::chrono::milliseconds kTick{1000};
constexpr std::string_view kMostAtOnce = "200";  // keeps each script below some milliseconds

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
  Status choose_wip_entry();
  void release_locks();

 private:
  redis::Connection& connection_;
  Crew& crew_;
  std::string name_;
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

Status Keeper::maintain() {
  const Stamp now = stamp();
  const auto abandoned = encode_failure(
      "Moved to FailedJobRegistry, due to AbandonedJobError, at " + now.iso);  // RQ's own words
  redis::Command words = {now.seconds, now.iso, now.real, std::string(kMostAtOnce), abandoned};
  words.insert(words.end(), crew_.options.queues.begin(), crew_.options.queues.end());
  CALL_TRY(const auto reply,
           connection_.run(scripts::maintain(), {}, words, Deadline::after(kRedisPatience)));
  if (reply.items.size() != 4) return Error{Errc::protocol, "maintenance with a strange answer"};
  const auto failed = reply.items[0].integer;
  const auto retried = reply.items[1].integer;
  const auto returned = reply.items[2].integer;
  const auto dead = reply.items[3].integer;
  if (failed + retried + returned > 0)
    crew_.log.warn("found jobs whose worker is gone: {} failed, {} tried again, {} put back",
                   failed, retried, returned);
  if (dead > 0) crew_.log.info("removed {} dead workers from the registry", dead);
  return choose_wip_entry();
}

/// RQ 1.x silently deletes composite entries of the started registry in its clean-up.
Status Keeper::choose_wip_entry() {
  if (crew_.options.wip_entry != WipEntry::automatic) return {};
  const auto deadline = Deadline::after(kRedisPatience);
  CALL_TRY(const auto members,
           connection_.command(redis::cmd("SMEMBERS", keys::kWorkers), deadline));
  std::vector<redis::Command> commands;
  for (const auto& key : redis::texts(members))
    commands.push_back(redis::cmd("HMGET", key, "version", "python_version"));
  CALL_TRY(const auto replies, connection_.pipeline(commands, deadline));
  const bool old_worker = std::any_of(replies.begin(), replies.end(), [](const auto& reply) {
    const auto values = redis::texts(reply);
    return values.size() == 2 && values[0].starts_with("1.") && !values[1].starts_with("calld");
  });
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
    crew.keep_alarm.wait(
        Deadline::after(std::min<std::chrono::milliseconds>(kTick, crew.options.maintain_every)));
  }
  if (connection.connected()) keeper.release_locks();
}

}  // namespace call::rq
