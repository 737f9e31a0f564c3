#include "core/rq/reads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/strings.hpp"
#include "core/rq/job_hash.hpp"
#include "core/rq/keys.hpp"

namespace call::rq {
namespace {

constexpr std::array<std::pair<JobSet, std::string_view>, 7> kSets = {
    {{JobSet::queued, "queued"},
     {JobSet::started, "started"},
     {JobSet::finished, "finished"},
     {JobSet::failed, "failed"},
     {JobSet::deferred, "deferred"},
     {JobSet::scheduled, "scheduled"},
     {JobSet::canceled, "canceled"}}};

constexpr std::array<std::string_view, 6> kRegistries = {"wip",      "finished",  "failed",
                                                         "deferred", "scheduled", "canceled"};

std::optional<std::chrono::seconds> age(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return std::max(std::chrono::seconds(0),
                  std::chrono::floor<std::chrono::seconds>(wall_now() - *time));
}

/// The members of a set of full keys, without their prefix, sorted.
Result<std::vector<std::string>> names(redis::Connection& connection, std::string_view set,
                                       std::string_view prefix, Deadline deadline) {
  CALL_TRY(const auto reply, connection.command(redis::cmd("SMEMBERS", set), deadline));
  std::vector<std::string> out;
  for (const auto& key : redis::texts(reply))
    if (key.starts_with(prefix)) out.push_back(key.substr(prefix.size()));
  std::sort(out.begin(), out.end());
  return out;
}

QueueInfo read_queue(std::string name, std::span<const redis::Reply> replies) {
  QueueInfo info;
  info.name = std::move(name);
  info.queued = replies[0].integer;
  info.started = replies[1].integer;
  info.finished = replies[2].integer;
  info.failed = replies[3].integer;
  info.deferred = replies[4].integer;
  info.scheduled = replies[5].integer;
  info.canceled = replies[6].integer;
  info.workers = replies[7].integer;
  return info;
}

WorkerInfo read_worker(std::string name, const Fields& fields) {
  WorkerInfo info;
  info.name = std::move(name);
  info.state = text_field(fields, "state");
  const std::string queues = text_field(fields, "queues");
  for (const auto queue : split(queues, ','))
    if (!queue.empty()) info.queues.emplace_back(queue);
  info.current_job = text_field(fields, "current_job");
  info.hostname = text_field(fields, "hostname");
  info.pid = text_field(fields, "pid");
  info.version = text_field(fields, "version");
  info.birth = time_field(fields, "birth");
  info.heartbeat_age = age(time_field(fields, "last_heartbeat"));
  info.succeeded = number_field(fields, "successful_job_count").value_or(0);
  info.failed = number_field(fields, "failed_job_count").value_or(0);
  info.working_seconds = parse_number<double>(raw_field(fields, "total_working_time")).value_or(0);
  return info;
}

}  // namespace

std::string_view to_string(JobSet set) {
  for (const auto& [value, name] : kSets)
    if (value == set) return name;
  return "queued";
}

std::optional<JobSet> parse_job_set(std::string_view name) {
  for (const auto& [value, text] : kSets)
    if (text == name) return value;
  return std::nullopt;
}

Result<std::vector<QueueInfo>> queues(redis::Connection& connection, Deadline deadline) {
  CALL_TRY(const auto all, names(connection, keys::kQueues, keys::kQueuePrefix, deadline));
  return queues(connection, all, deadline);
}

Result<std::vector<QueueInfo>> queues(redis::Connection& connection,
                                      std::span<const std::string> all, Deadline deadline) {
  std::vector<redis::Command> counts;
  for (const auto& name : all) {
    counts.push_back(redis::cmd("LLEN", keys::queue(name)));
    for (const auto registry : kRegistries)
      counts.push_back(redis::cmd("ZCARD", keys::registry(registry, name)));
    counts.push_back(redis::cmd("SCARD", keys::queue_workers(name)));
    counts.push_back(redis::cmd("LINDEX", keys::queue(name), "0"));
  }
  CALL_TRY(const auto replies, connection.pipeline(counts, deadline));

  const std::size_t width = kRegistries.size() + 3;
  std::vector<QueueInfo> out;
  std::vector<redis::Command> heads;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto row = std::span(replies).subspan(i * width, width);
    out.push_back(read_queue(all[i], row));
    heads.push_back(redis::cmd("HGET", keys::job(row.back().text), "enqueued_at"));
  }
  CALL_TRY(const auto times, connection.pipeline(heads, deadline));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i].oldest_age = age(parse_rfc3339(times[i].text));
  return out;
}

Result<std::vector<WorkerInfo>> workers(redis::Connection& connection, Deadline deadline) {
  CALL_TRY(const auto all, names(connection, keys::kWorkers, keys::kWorkerPrefix, deadline));
  std::vector<redis::Command> commands;
  for (const auto& name : all) commands.push_back(redis::cmd("HGETALL", keys::worker(name)));
  CALL_TRY(const auto replies, connection.pipeline(commands, deadline));
  std::vector<WorkerInfo> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto fields = read_fields(replies[i]);
    if (!fields.empty()) out.push_back(read_worker(all[i], fields));
  }
  return out;
}

Result<bool> suspended(redis::Connection& connection, Deadline deadline) {
  CALL_TRY(const auto reply, connection.command(redis::cmd("EXISTS", keys::kSuspended), deadline));
  return reply.integer > 0;
}

Result<std::vector<std::string>> job_ids(redis::Connection& connection, std::string_view queue,
                                         JobSet set, std::int64_t offset, std::int64_t limit,
                                         Deadline deadline) {
  if (offset < 0 || limit < 1)
    return Error{Errc::invalid_argument, "the offset must be 0 or more, the limit 1 or more"};
  const auto first = std::to_string(offset);
  const auto last = std::to_string(offset + limit - 1);
  const auto registry = set == JobSet::started ? "wip" : to_string(set);
  const auto words = set == JobSet::queued
                         ? redis::cmd("LRANGE", keys::queue(queue), first, last)
                         : redis::cmd("ZRANGE", keys::registry(registry, queue), first, last);
  CALL_TRY(const auto reply, connection.command(words, deadline));
  auto ids = redis::texts(reply);
  constexpr std::size_t kExecutionBytes = 32;
  if (set == JobSet::started) {
    for (auto& id : ids)  // "job:execution" from RQ 2 on
      if (const auto colon = id.rfind(':');
          colon != std::string::npos && id.size() - colon - 1 == kExecutionBytes)
        id.resize(colon);
  }
  return ids;
}

}  // namespace call::rq
