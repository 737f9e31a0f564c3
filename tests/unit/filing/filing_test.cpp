#include "core/filing/filing.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/record/folder.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/reads.hpp"
#include "tests/support/scratch_dir.hpp"
#include "tests/support/servers.hpp"

using namespace call;
namespace fs = std::filesystem;

namespace {

record::CallRecord sample(const std::string& sid) {
  record::CallRecord call;
  call.call_sid = sid;
  call.agent = "survey";
  call.started_at = *parse_rfc3339("2026-11-23T23:59:59Z");
  call.duration_ms = 12340;
  call.end_reason = "completed";
  call.turns.resize(3);
  return call;
}

/// A spool with one finished record.
fs::path spool_with(const fs::path& spool, const record::CallRecord& call) {
  const auto folder = spool / call.call_sid;
  fs::create_directories(folder);
  REQUIRE(record::write_texts(folder, call));
  return folder;
}

const std::string kSid = "CA00000000000000000000000000000001";

}  // namespace

TEST_CASE("filing: a record gets its row and its place by date, once, however often it is filed") {
  const support::ScratchDir dir;
  const auto url = support::migrated_database();
  auto store = support::connect(url);
  const auto folder = spool_with(dir.path() / "spool", sample(kSid));
  const auto records = dir.path() / "records";

  const auto target = filing::file_call_record(store, records, folder);
  REQUIRE(target);
  CHECK(*target == records / "2026-11-23" / kSid);
  CHECK(fs::exists(*target / record::kRecordFile));
  CHECK_FALSE(fs::exists(folder));

  CHECK(*filing::file_call_record(store, records, folder) == *target);
  CHECK(support::sql_value(url, "SELECT count(*) FROM call_records") == "1");
  CHECK(support::sql_value(url, "SELECT path FROM call_records") == target->string());
}

TEST_CASE("filing: a crash between the row and the move is mended by the next run") {
  const support::ScratchDir dir;
  const auto url = support::migrated_database();
  auto store = support::connect(url);
  const auto spool = dir.path() / "spool";
  const auto folder = spool_with(spool, sample(kSid));
  const auto records = dir.path() / "records";

  // What such a crash leaves behind: the row is there, the folder is still in the spool.
  REQUIRE(filing::file_call_record(store, records, folder));
  fs::rename(records / "2026-11-23" / kSid, folder);

  CHECK(filing::ready_folders(spool, 10)->size() == 1);
  REQUIRE(filing::file_call_record(store, records, folder));
  CHECK(support::sql_value(url, "SELECT count(*) FROM call_records") == "1");
  CHECK(fs::exists(records / "2026-11-23" / kSid / record::kRecordFile));
}

TEST_CASE("filing: a crash between a copy and the removal of the original is mended, too") {
  const support::ScratchDir dir;
  auto store = support::connect(support::migrated_database());
  const auto folder = spool_with(dir.path() / "spool", sample(kSid));
  const auto records = dir.path() / "records";
  const auto target = records / "2026-11-23" / kSid;
  fs::create_directories(target.parent_path());
  fs::copy(folder, target, fs::copy_options::recursive);

  CHECK(*filing::file_call_record(store, records, folder) == target);
  CHECK_FALSE(fs::exists(folder));
  CHECK(fs::exists(target / record::kRecordFile));
}

TEST_CASE("filing: another record of the same call is never overwritten") {
  const support::ScratchDir dir;
  auto store = support::connect(support::migrated_database());
  const auto spool = dir.path() / "spool";
  const auto records = dir.path() / "records";
  REQUIRE(filing::file_call_record(store, records, spool_with(spool, sample(kSid))));
  auto other = sample(kSid);
  other.agent = "echo";
  const auto folder = spool_with(spool, other);
  const auto refused = filing::file_call_record(store, records, folder);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::conflict);
  CHECK(fs::exists(folder));
}

TEST_CASE("filing: a folder that is nowhere and one that is damaged are errors that name it") {
  const support::ScratchDir dir;
  auto store = support::connect(support::migrated_database());
  const auto spool = dir.path() / "spool";

  const auto nowhere = filing::file_call_record(store, dir.path() / "records", spool / kSid);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == Errc::not_found);

  const auto folder = spool_with(spool, sample("CA2"));
  fs::rename(folder, spool / kSid);
  const auto foreign = filing::file_call_record(store, dir.path() / "records", spool / kSid);
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == Errc::protocol);
  CHECK(fs::exists(spool / kSid));
}

TEST_CASE("filing: predecessor A8.25 finished records become jobs of the shared queue, each once") {
  const support::ScratchDir dir;
  const auto spool = dir.path() / "spool";
  spool_with(spool, sample(kSid));
  fs::create_directories(spool / (kSid + "x.part"));  // still being written

  rq::Client queue(*redis::parse_url(support::fresh_redis()));
  const auto soon = Deadline::after(std::chrono::seconds(5));
  CHECK(*filing::enqueue_ready(queue, "records", spool, soon) == 1);
  CHECK(*filing::enqueue_ready(queue, "records", spool, soon) == 0);

  const auto job = rq::job(**queue.connection(soon), "file_call_record-" + kSid, soon);
  REQUIRE(job);
  CHECK(job->queue == "records");
  CHECK(job->function == "calld.file_call_record");
  CHECK(nlohmann::json::parse(job->args_json)[0] == (spool / kSid).string());
}
