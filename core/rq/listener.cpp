// Two things that come by themselves: commands published to our workers, and jobs.
//
// A job's coming is noticed by BLMOVE from the head of a queue to its own head: it changes nothing,
// and blocks until there is something. (BLPOP would take the job away before anybody has it, and
// only polling would be left for several queues.) The slots then claim in order of the queues.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"
#include "core/redis/subscription.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/keys.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::rq {
namespace {

constexpr std::chrono::milliseconds kTick{5000};
constexpr std::string_view kBlockSeconds = "2";
constexpr std::chrono::seconds kOverdue{5};  // an answer to BLMOVE that should have come long ago

struct Bell {
  std::string key;
  bool is_long = false;
  redis::Connection connection;
  bool armed = false;
  MonoClock::time_point since{};  ///< armed
};

class Listener {
 public:
  explicit Listener(Crew& crew);
  void run();

 private:
  Status turn();
  void wait();
  Status arm(Bell& bell);
  Status answer(Bell& bell);
  void obey(const redis::Message& message);
  void obey(SlotState& slot, const std::string& command, const std::string& job_id,
            const std::string& execution);

  Crew& crew_;
  redis::Subscription commands_;
  MonoClock::time_point next_ping_{};
  std::vector<Bell> bells_;
};

std::vector<std::string> channels(const Crew& crew) {
  std::vector<std::string> out;
  for (const auto& slot : crew.slots) out.push_back(keys::channel(slot->name));
  return out;
}

Listener::Listener(Crew& crew)
    : crew_(crew), commands_(crew.options.redis, channels(crew), "calld-commands") {
  for (const auto& queue : crew.options.queues)
    bells_.push_back({keys::queue(queue), queue == crew.options.long_queue, crew.connect("bell")});
}

void Listener::run() {
  Backoff backoff;
  while (!crew_.ending) {
    const auto status = turn();
    if (status) {
      backoff.reset();
      continue;
    }
    crew_.note_redis(status);
    crew_.doorbell.pause(Deadline::after(backoff.next()));
  }
}

Status Listener::turn() {
  CALL_CHECK(commands_.open(Deadline::after(kRedisPatience)));
  for (Bell& bell : bells_)
    if (!bell.armed && crew_.doorbell.waiting(bell.is_long) > 0) CALL_CHECK(arm(bell));
  wait();
  if (MonoClock::now() >= next_ping_) {
    CALL_CHECK(commands_.ping(Deadline::after(kRedisPatience)));
    next_ping_ = MonoClock::now() + kTick;
  }
  while (true) {
    CALL_TRY(const auto message, commands_.next(Deadline::after(std::chrono::milliseconds(0))));
    if (!message) break;
    obey(*message);
  }
  for (Bell& bell : bells_)
    if (bell.armed) CALL_CHECK(answer(bell));
  return {};
}

void Listener::wait() {
  std::vector<redis::Connection*> sources = {&commands_.connection()};
  for (Bell& bell : bells_)
    if (bell.armed) sources.push_back(&bell.connection);
  redis::wait_readable(sources, Deadline::after(kTick), crew_.doorbell.fd());
  crew_.doorbell.quiet();
}

Status Listener::arm(Bell& bell) {
  CALL_CHECK(bell.connection.ensure_connected(Deadline::after(kRedisPatience)));
  CALL_CHECK(
      bell.connection.send(redis::cmd("BLMOVE", bell.key, bell.key, "LEFT", "LEFT", kBlockSeconds),
                           Deadline::after(kRedisPatience)));
  bell.armed = true;
  bell.since = MonoClock::now();
  return {};
}

Status Listener::answer(Bell& bell) {
  auto reply = bell.connection.receive(Deadline::after(std::chrono::milliseconds(0)));
  if (!reply) {
    bell.armed = false;
    return std::move(reply).error();
  }
  if (!*reply) {
    if (MonoClock::now() - bell.since < kOverdue) return {};
    bell.armed = false;
    bell.connection.close();
    return Error{Errc::timeout, fmt::format("Redis no longer answers about {}", bell.key)};
  }
  bell.armed = false;
  if ((*reply)->is_error()) return Error{Errc::protocol, (*reply)->text};
  if (!(*reply)->is_nil()) crew_.doorbell.ring(bell.is_long);
  return {};
}

void Listener::obey(const redis::Message& message) {
  const auto document = json::parse(message.payload, {.bytes = 4096, .depth = 8}, "a command");
  if (!document) return;  // RQ ignores what it does not understand, too
  const auto command = json::get_string_or(*document, "command", "");
  const auto job_id = json::get_string_or(*document, "job_id", "");
  const auto execution = json::get_string_or(*document, "execution_id", "");
  if (!command || !job_id || !execution) return;
  for (const auto& slot : crew_.slots)
    if (keys::channel(slot->name) == message.channel) obey(*slot, *command, *job_id, *execution);
}

void Listener::obey(SlotState& slot, const std::string& command, const std::string& job_id,
                    const std::string& execution) {
  const auto log = crew_.log.with("worker", slot.name);
  if (command == "shutdown") {
    log.info("told to shut down");
    slot.retire = true;
    crew_.wake_everyone();
  } else if (command == "kill-horse") {
    log.info("told to kill its job");
    ask_to_stop(slot, StopReason::killed);
    crew_.beat_alarm.ring();
  } else if (command == "stop-job" || command == "stop-execution") {
    const bool current = slot.running.with([&](const auto& running) {
      return running && running->job_id == job_id &&
             (execution.empty() || running->execution == execution);
    });
    if (!current) return;
    log.info("told to stop job {}", job_id);
    ask_to_stop(slot, StopReason::stopped);
    crew_.beat_alarm.ring();
  }
}

}  // namespace

void run_listener(Crew& crew) {
  runtime::name_this_thread("rq-listen");
  Listener(crew).run();
}

}  // namespace call::rq
