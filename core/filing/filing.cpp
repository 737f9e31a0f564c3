#include "core/filing/filing.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "core/base/affinity.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/log/log.hpp"
#include "core/record/folder.hpp"
#include "core/store/records.hpp"

namespace call::filing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFoldersPerScan = 500;
constexpr auto kJobTimeout = std::chrono::seconds(120);
constexpr auto kRetryAfterFailure = std::chrono::seconds(600);
constexpr auto kWaitForConnection = std::chrono::seconds(10);

Error io_error(std::string_view doing, const fs::path& path, const std::error_code& error) {
  return {Errc::io, fmt::format("cannot {} {}: {}", doing, path.string(), error.message())};
}

/// rename(2), or a copy under another name and then a rename when the two lie on different file
/// systems: a reader of the target sees the whole folder or none.
Status move_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) return io_error("create", to.parent_path(), error);
  fs::rename(from, to, error);
  if (!error) return {};
  if (error != std::errc::cross_device_link) return io_error("move a record to", to, error);

  const auto copy = fs::path(to.string() + "." + random_hex(4) + std::string(record::kPartSuffix));
  fs::copy(from, copy, fs::copy_options::recursive, error);
  if (!error) fs::rename(copy, to, error);
  if (error) {
    std::error_code ignored;
    fs::remove_all(copy, ignored);
    return io_error("copy a record to", to, error);
  }
  fs::remove_all(from, error);
  return error ? Status(io_error("remove", from, error)) : Status();
}

/// The carrier's start message is the zero of the sample clock, and a turn begins where its first
/// sound was heard. An agent that takes no turns (echo) listens from the start.
std::optional<WallTime> first_audio_at(const record::CallRecord& call) {
  if (!call.answered_at) return std::nullopt;
  for (const auto& turn : call.turns) {
    if (turn.who == record::Speaker::agent && turn.heard_ms > 0)
      return *call.answered_at + std::chrono::milliseconds(turn.start_ms);
  }
  if (call.turns.empty() && call.counters.frames_out > 0) return call.answered_at;
  return std::nullopt;
}

Status enter(store::Connection& store, const record::CallRecord& call, const fs::path& target) {
  store::NewCallRecord row;
  row.call_sid = call.call_sid;
  row.attempt_id = call.attempt;
  row.path = target.string();
  row.agent = call.agent;
  row.started_at = call.started_at.value_or(wall_now());
  row.duration = std::chrono::milliseconds(call.duration_ms);
  row.turns = static_cast<int>(call.turns.size());
  row.end_reason = call.end_reason;
  row.first_audio_at = first_audio_at(call);
  row.record_json =
      record::to_json(call).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return store::put_call_record(store, row);
}

/// A crash after a copy to another file system, before the original was removed: both folders hold
/// the same record.
bool is_same_record(const fs::path& a, const fs::path& b) {
  const auto first = read_file(a / record::kRecordFile);
  const auto second = read_file(b / record::kRecordFile);
  return first && second && *first == *second;
}

/// The target of a folder that is no longer in the spool: the date is not known from its name, so
/// it is looked for.
Result<fs::path> find_filed(const fs::path& records_dir, const fs::path& folder) {
  std::error_code error;
  for (const auto& day : fs::directory_iterator(records_dir, error)) {
    const auto candidate = day.path() / folder.filename();
    if (fs::exists(candidate / record::kRecordFile, error)) return candidate;
  }
  return Error{Errc::not_found,
               fmt::format("{} is neither in the spool nor filed", folder.string())};
}

Result<nlohmann::json> run_job(rq::JobContext& context, store::Pool& pool,
                               const fs::path& records_dir) {
  if (context.args.size() != 1 || !context.args[0].is_string()) {
    return Error{Errc::invalid_argument,
                 "calld.file_call_record takes one argument, the folder's path"};
  }
  CALL_TRY(auto store, pool.take(Deadline::after(kWaitForConnection)));
  CALL_TRY(const auto target,
           file_call_record(*store, records_dir, context.args[0].get<std::string>()));
  context.log.debug("filed {}", target.string());
  return nlohmann::json(target.string());
}

}  // namespace

fs::path target_of(const fs::path& records_dir, const record::CallRecord& record) {
  const auto day = to_rfc3339(record.started_at.value_or(WallTime())).substr(0, 10);
  return fs::absolute(records_dir) / day / record.call_sid;
}

Result<fs::path> file_call_record(store::Connection& store, const fs::path& records_dir,
                                  const fs::path& folder) {
  assert_may_block("file_call_record");
  if (!record::is_safe_call_sid(folder.filename().string())) {
    return Error{Errc::invalid_argument,
                 fmt::format("{} is no folder of a call record", folder.string())};
  }
  std::error_code error;
  const bool in_spool = fs::exists(folder / record::kRecordFile, error);
  fs::path source = folder;
  if (!in_spool) {
    CALL_TRY(source, find_filed(records_dir, folder));
  }
  CALL_TRY(const auto call, record::read_folder(source));
  if (call.call_sid != folder.filename().string()) {
    return Error{Errc::protocol,
                 fmt::format("{} holds the record of another call", source.string())};
  }
  const auto target = target_of(records_dir, call);
  const bool filed = in_spool && fs::exists(target, error);
  if (filed && !is_same_record(folder, target)) {
    return Error{Errc::conflict, fmt::format("{} holds another record; {} stays where it is",
                                             target.string(), folder.string())};
  }
  CALL_CHECK(enter(store, call, in_spool ? target : source));
  if (!in_spool) return source;
  if (filed) {
    fs::remove_all(folder, error);
    return target;
  }
  CALL_CHECK(move_folder(folder, target));
  return target;
}

Result<std::vector<fs::path>> ready_folders(const fs::path& spool_dir, std::size_t limit) {
  assert_may_block("ready_folders");
  std::vector<fs::path> folders;
  std::error_code error;
  fs::directory_iterator entries(spool_dir, error);
  if (error == std::errc::no_such_file_or_directory) return folders;
  if (error) return io_error("read", spool_dir, error);
  for (const auto& entry : entries) {
    if (folders.size() >= limit) break;
    const auto name = entry.path().filename().string();
    if (name.ends_with(record::kPartSuffix) || !record::is_safe_call_sid(name)) continue;
    if (fs::exists(entry.path() / record::kRecordFile, error))
      folders.push_back(fs::absolute(entry.path()));
  }
  return folders;
}

Result<std::size_t> enqueue_ready(rq::Client& queue, std::string_view name,
                                  const fs::path& spool_dir, Deadline deadline) {
  CALL_TRY(const auto folders, ready_folders(spool_dir, kFoldersPerScan));
  std::size_t fresh = 0;
  for (const auto& folder : folders) {
    rq::EnqueueOptions options;
    options.job_id = "file_call_record-" + folder.filename().string();
    options.unique = true;
    options.timeout = kJobTimeout;
    options.result_ttl = std::chrono::seconds(0);
    options.failure_ttl = kRetryAfterFailure;
    CALL_TRY(const auto enqueued,
             queue.enqueue(name, kFileCallRecordJob, nlohmann::json::array({folder.string()}),
                           options, deadline));
    if (enqueued.created) ++fresh;
  }
  return fresh;
}

void register_jobs(rq::Registry& registry, store::Pool& pool, fs::path records_dir) {
  registry.add(std::string(kFileCallRecordJob),
               [&pool, records_dir = std::move(records_dir)](rq::JobContext& context) {
                 return run_job(context, pool, records_dir);
               });
}

}  // namespace call::filing
