#include "core/store/records.hpp"

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

NewCallRecord record_of(const Claim& claim, int sid = 1) {
  NewCallRecord record;
  record.call_sid = sid_of(sid);
  record.attempt_id = claim.attempt_id;
  record.path = "/records/" + record.call_sid;
  record.agent = "survey";
  record.started_at = WallTime(std::chrono::seconds(1700000000));
  record.duration = milliseconds(12345);
  record.turns = 4;
  record.end_reason = "completed";
  record.record_json = R"({"version":1,"tenant":"somebody else"})";
  return record;
}

}  // namespace

TEST_CASE("store.records: a filed record belongs to its attempt, whatever it claims") {
  Running running(1);
  const auto claim = running.place();
  check(put_call_record(running.connection, record_of(claim)));
  const auto found =
      take(find_call_record(running.connection, running.tenant.id, claim.attempt_id));
  CHECK(found.tenant_id == running.tenant.id);
  CHECK(found.list_id == running.list.id);
  CHECK(found.entry_id == claim.entry_id);
  CHECK(found.record.duration == milliseconds(12345));
  CHECK(found.record.started_at == WallTime(std::chrono::seconds(1700000000)));
  CHECK(found.record.record_json.find("version") != std::string::npos);
  CHECK(running.entry(claim).record_path == "/records/" + sid_of(1));
}

TEST_CASE("store.records: filing again replaces, so that a repeated job is harmless") {
  Running running(1);
  const auto claim = running.place();
  auto record = record_of(claim);
  check(put_call_record(running.connection, record));
  record.path = "/moved";
  check(put_call_record(running.connection, record));
  const auto all = take(call_records(running.connection, running.tenant.id, running.list.id));
  REQUIRE(all.size() == 1);
  CHECK(all[0].record.path == "/moved");
}

TEST_CASE("store.records: a record without an attempt id finds it by its call") {
  Running running(1);
  const auto claim = running.place();
  auto record = record_of(claim);
  record.attempt_id.clear();
  check(put_call_record(running.connection, record));
  CHECK(take(find_call_record(running.connection, running.tenant.id, sid_of(1))).entry_id ==
        claim.entry_id);
}

TEST_CASE("store.records: a call that no list made is filed for no tenant") {
  Running running(1);
  auto record = record_of(Claim{}, 55);
  record.attempt_id = "not a uuid";
  check(put_call_record(running.connection, record));
  CHECK(running.value("SELECT tenant_id IS NULL FROM call_records") == "t");
  CHECK(find_call_record(running.connection, running.tenant.id, sid_of(55)).error().code ==
        Errc::not_found);
}
