#include "core/filing/erasing.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "core/base/affinity.hpp"
#include "core/log/log.hpp"
#include "core/record/folder.hpp"

namespace call::filing {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::hours kDay{24};
constexpr std::chrono::seconds kEvery{3600};
constexpr std::chrono::seconds kJobTimeout{1800};
constexpr auto kWaitForConnection = std::chrono::seconds(10);

/// Midnight before the day that a directory is named after.
std::optional<WallTime> day_of(const fs::path& directory) {
  const auto name = directory.filename().string();
  const auto day = parse_rfc3339(name + "T00:00:00Z");
  if (!day || to_rfc3339(*day).substr(0, 10) != name) return std::nullopt;
  return day;
}

/// The file system's clock has another zero.
std::chrono::seconds age_of(const fs::path& path, std::error_code& error) {
  const auto changed = fs::last_write_time(path, error);
  if (error) return std::chrono::seconds(0);
  return std::chrono::floor<std::chrono::seconds>(fs::file_time_type::clock::now() - changed);
}

struct Day {
  std::size_t removed = 0;
  std::size_t left = 0;  // due, and still there
};

Day remove_day(const fs::path& directory, std::chrono::seconds age) {
  Day out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const auto name = entry.path().filename().string();
    if (!record::is_safe_call_sid(name) || !fs::is_directory(entry.symlink_status())) continue;
    std::error_code failed;
    if (age_of(entry.path(), failed) <= age && !failed) continue;
    if (!failed) fs::remove_all(entry.path(), failed);
    if (!failed) {
      ++out.removed;
      continue;
    }
    ++out.left;
    log::Logger("filing").warn("{} cannot be removed: {}", entry.path().string(), failed.message());
  }
  fs::remove(directory, error);  // unless something is left in it
  return out;
}

Result<Json> run_job(rq::JobContext& job, store::Pool& pool, const fs::path& records_dir,
                     const store::Retention& retention) {
  CALL_TRY(auto store, pool.take(Deadline::after(kWaitForConnection)));
  const auto pass = erase(*store, records_dir, retention, job.worker);
  if (!pass && pass.error().code == Errc::conflict) return Json{{"skipped", pass.error().context}};
  if (!pass) return pass.error();
  return Json{{"pass", pass->id}, {"found", pass->found.size()}, {"done", pass->done.size()}};
}

}  // namespace

RemovedFolders remove_old_folders(const fs::path& records_dir, std::chrono::seconds age,
                                  WallTime now) {
  assert_may_block("remove_old_folders");
  RemovedFolders out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(records_dir, error)) {
    const auto day = day_of(entry.path());
    if (!day || !fs::is_directory(entry.symlink_status()) || *day + kDay > now - age) continue;
    const auto what = remove_day(entry.path(), age);
    if (what.removed + what.left == 0) continue;
    store::CleanupAction action{
        "remove_recordings", std::nullopt, entry.path().filename().string(),
        fmt::format("{} folder(s) in {}", what.removed + what.left, records_dir.string())};
    log::Logger("filing").info("{}: {} recording(s) removed, {} left", action.subject, what.removed,
                               what.left);
    if (what.left == 0) out.done.push_back(action);
    out.found.push_back(std::move(action));
  }
  return out;
}

Result<store::CleanupPass> erase(store::Connection& store, const fs::path& records_dir,
                                 const store::Retention& retention, std::string_view source) {
  store::CleanupOptions options;
  options.source = source;
  options.retention = retention;
  if (const auto age = retention.age_of_recordings()) {
    auto folders = remove_old_folders(records_dir, *age, wall_now());
    options.found_elsewhere = std::move(folders.found);
    options.done_elsewhere = std::move(folders.done);
  }
  return store::erase_run(store, options);
}

Status enqueue_erasing(rq::Client& queue, std::string_view name, const store::Retention& retention,
                       Deadline deadline) {
  if (!retention.age_of_recordings()) return {};
  rq::EnqueueOptions job;
  job.job_id = fmt::format("erase-{}-{}", name, wall_now().time_since_epoch() / kEvery);
  job.unique = true;
  job.timeout = kJobTimeout;
  // Kept, so that it is made once in its hour.
  job.result_ttl = kEvery;
  job.failure_ttl = kEvery;
  CALL_CHECK(queue.enqueue(name, kEraseJob, Json::array(), job, deadline));
  return {};
}

void register_erasing(rq::Registry& registry, store::Pool& pool, fs::path records_dir,
                      store::Retention retention) {
  registry.add(std::string(kEraseJob),
               [&pool, records_dir = std::move(records_dir), retention](rq::JobContext& job) {
                 return run_job(job, pool, records_dir, retention);
               });
}

}  // namespace call::filing
