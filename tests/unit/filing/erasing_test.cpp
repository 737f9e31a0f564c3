#include "core/filing/erasing.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "core/filing/filing.hpp"
#include "core/record/folder.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/reads.hpp"
#include "tests/support/scratch_dir.hpp"
#include "tests/support/servers.hpp"

using namespace call;
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::hours kDay{24};
const std::string kSid = "CA00000000000000000000000000000001";
const std::string kOther = "CA00000000000000000000000000000002";

std::string day_before(int days) {
  return to_rfc3339(wall_now() - days * kDay).substr(0, 10);
}

/// A folder as filing leaves it, last written `days` ago.
fs::path folder(const fs::path& records, const std::string& day, const std::string& name,
                int days) {
  const auto path = records / day / name;
  fs::create_directories(path);
  std::ofstream(path / "audio.wav") << "sound";
  fs::last_write_time(path, fs::file_time_type::clock::now() - days * kDay);
  return path;
}

}  // namespace

TEST_CASE("filing.erasing: folders of days that are due go, and nothing else") {
  const support::ScratchDir dir;
  const auto records = dir.path() / "records";
  const auto due = folder(records, day_before(9), kSid, 9);
  const auto fresh = folder(records, day_before(6), kSid, 6);
  // Filed under an old day by a clock that was wrong.
  const auto touched = folder(records, day_before(9), kOther, 0);
  const auto no_day = folder(records, "2026-13-40", kSid, 400);
  const auto no_call = folder(records, day_before(9), "not a call", 9);
  const auto outside = folder(dir.path() / "elsewhere", day_before(9), kSid, 9);
  fs::create_directory_symlink(dir.path() / "elsewhere" / day_before(9), records / day_before(10));
  fs::create_directory_symlink(outside, records / day_before(9) / "CA3");

  const auto removed = filing::remove_old_folders(records, 7 * kDay, wall_now());
  CHECK_FALSE(fs::exists(due));
  CHECK(fs::exists(fresh));
  CHECK(fs::exists(touched));
  CHECK(fs::exists(no_day));
  CHECK(fs::exists(no_call));
  CHECK(fs::exists(outside / "audio.wav"));
  REQUIRE(removed.done.size() == 1);
  CHECK(removed.done[0].kind == "remove_recordings");
  CHECK(removed.done[0].subject == day_before(9));
  CHECK(removed.done[0].detail.starts_with("1 folder(s)"));
  CHECK(filing::remove_old_folders(records, 7 * kDay, wall_now()).found.empty());
  CHECK(filing::remove_old_folders(dir.path() / "none", 7 * kDay, wall_now()).found.empty());
}

TEST_CASE("filing.erasing: a day of which nothing is left loses its directory") {
  const support::ScratchDir dir;
  folder(dir.path(), day_before(9), kSid, 9);
  filing::remove_old_folders(dir.path(), 7 * kDay, wall_now());
  CHECK_FALSE(fs::exists(dir.path() / day_before(9)));
}

TEST_CASE(
    "filing.erasing: a pass removes the folder, then the words in the database, and journals "
    "both") {
  const support::ScratchDir dir;
  const auto url = support::migrated_database();
  auto store = support::connect(url);
  record::CallRecord call;
  call.call_sid = kSid;
  call.agent = "survey";
  call.started_at = wall_now() - 9 * kDay;
  call.duration_ms = 12340;
  call.end_reason = "completed";
  const auto spooled = dir.path() / "spool" / kSid;
  fs::create_directories(spooled);
  REQUIRE(record::write_texts(spooled, call));
  const auto filed = filing::file_call_record(store, dir.path() / "records", spooled);
  REQUIRE(filed);
  fs::last_write_time(*filed, fs::file_time_type::clock::now() - 9 * kDay);

  store::Retention retention;
  CHECK(filing::erase(store, dir.path() / "records", retention, "test")->found.empty());
  CHECK(fs::exists(*filed));
  retention.recordings = 7 * kDay;
  const auto pass = filing::erase(store, dir.path() / "records", retention, "test");
  REQUIRE(pass);
  CHECK(pass->found.size() == 2);
  CHECK(pass->done.size() == 2);
  CHECK_FALSE(fs::exists(*filed));
  CHECK(support::sql_value(url,
                           "SELECT record::text || path || agent || duration_ms FROM "
                           "call_records") == "{}survey12340");
  CHECK(store::cleanup_pass(store, pass->id)->done.size() == 2);
  CHECK(filing::erase(store, dir.path() / "records", retention, "test")->found.empty());
}

TEST_CASE("filing.erasing: the job is enqueued once in its hour, and only if anything is to go") {
  rq::Client queue(*redis::parse_url(support::fresh_redis()));
  const auto soon = Deadline::after(std::chrono::seconds(5));
  const auto waiting = [&] {
    return rq::job_ids(**queue.connection(soon), "records", rq::JobSet::queued, 0, 10, soon)
        ->size();
  };
  store::Retention retention;
  REQUIRE(filing::enqueue_erasing(queue, "records", retention, soon));
  CHECK(waiting() == 0);
  retention.personal_data = 30 * kDay;
  REQUIRE(filing::enqueue_erasing(queue, "records", retention, soon));
  REQUIRE(filing::enqueue_erasing(queue, "records", retention, soon));
  CHECK(waiting() == 1);
}
