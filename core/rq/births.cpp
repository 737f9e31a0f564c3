// A slot's record as an RQ worker: birth, death. Fields as in RQ's Worker.register_birth.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "core/base/strings.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/host.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {
namespace {

constexpr std::string_view kDeathTtlSeconds = "60";

}  // namespace

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == '\0') return "unknown";
  return buffer.data();
}

bool process_lives(long pid) {
  // Our own number: the one who wrote it had it before us (containers restart with the same).
  if (pid == ::getpid()) return false;
  return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

Status refuse_taken_name(redis::Connection& connection, const SlotState& slot) {
  const auto deadline = Deadline::after(kRedisPatience);
  CALL_TRY(const auto reply, connection.command(redis::cmd("HMGET", keys::worker(slot.name),
                                                           "birth", "death", "hostname", "pid"),
                                                deadline));
  const auto values = redis::texts(reply);
  if (values.size() != 4 || values[0].empty() || !values[1].empty()) return {};
  const auto pid = parse_number<long>(values[3]);
  if (values[2] == host_name() && pid && !process_lives(*pid)) return {};
  return Error{Errc::conflict, fmt::format("a worker named {} is alive on {} (pid {}); give this "
                                           "one another name",
                                           slot.name, values[2], values[3])};
}

Status register_worker(redis::Connection& connection, const Crew& crew, const SlotState& slot) {
  const auto key = keys::worker(slot.name);
  const Stamp now = stamp();
  const std::string ttl = std::to_string(crew.options.worker_ttl.count());
  struct Job {
    std::string id;
    std::string execution;
  };
  const auto job = slot.running.with([](const auto& running) -> std::optional<Job> {
    if (!running || running->settled) return std::nullopt;
    return Job{running->job_id, running->execution};
  });

  std::vector<redis::Command> commands = {
      redis::cmd("DEL", key),
      redis::cmd("HSET", key, "birth", now.iso, "last_heartbeat", now.iso, "queues",
                 join(slot.queues, ","), "pid", std::to_string(::getpid()), "hostname", host_name(),
                 "ip_address", connection.local_address(), "version", CALL_VERSION,
                 "python_version", "calld " CALL_VERSION " (C++)", "state", job ? "busy" : "idle"),
      redis::cmd("SADD", keys::kWorkers, key), redis::cmd("EXPIRE", key, ttl)};
  for (const auto& queue : slot.queues)
    commands.push_back(redis::cmd("SADD", keys::queue_workers(queue), key));
  if (job) {
    commands.push_back(redis::cmd("HSET", key, "current_job", job->id));
    commands.push_back(
        redis::cmd("SADD", keys::executions(slot.name), job->id + ":" + job->execution));
    commands.push_back(redis::cmd("EXPIRE", keys::executions(slot.name), ttl));
  } else {
    commands.push_back(redis::cmd("DEL", keys::executions(slot.name)));
  }
  CALL_CHECK(connection.transaction(commands, Deadline::after(kRedisPatience)));
  return {};
}

Status sign_off(redis::Connection& connection, const SlotState& slot) {
  const auto key = keys::worker(slot.name);
  std::vector<redis::Command> commands = {redis::cmd("SREM", keys::kWorkers, key)};
  for (const auto& queue : slot.queues)
    commands.push_back(redis::cmd("SREM", keys::queue_workers(queue), key));
  commands.push_back(redis::cmd("HSET", key, "death", stamp().iso));
  commands.push_back(redis::cmd("EXPIRE", key, kDeathTtlSeconds));
  commands.push_back(redis::cmd("DEL", keys::executions(slot.name)));
  CALL_CHECK(connection.transaction(commands, Deadline::after(std::chrono::seconds(2))));
  return {};
}

}  // namespace call::rq
