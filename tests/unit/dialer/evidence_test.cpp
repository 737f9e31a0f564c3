// Attempts without news: what the carrier says about them, and what happens when it says nothing.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "tests/unit/dialer/world.hpp"

namespace call::dialer_test {
namespace {

using dialer::DialEnd;

/// Creates vanish without an answer; reads see the calls that the test put on the carrier's books.
struct Books {
  Guarded<std::vector<std::string>> calls;             // documents
  Guarded<std::string> one;                            // answer of a read by SID; empty: 404
  Guarded<std::map<std::string, std::string>> events;  // address asked for, by SID; absent: 404

  Answer operator()(const Received& request) {
    if (request.method == "POST") return gone();
    if (request.target.find("/Events.json") != std::string::npos) {
      const auto sid = request.target.substr(request.target.find("/CA") + 1, 34);
      const auto url = events.with([&](auto& all) { return all[sid]; });
      if (url.empty()) return refused(404, 20404);
      return answer(200, R"({"events":[{"request":{"url":")" + url + R"("}}]})");
    }
    if (request.target.find("/Calls/CA") != std::string::npos) {
      const auto body = one.with([](auto& text) { return text; });
      return body.empty() ? refused(404, 20404) : answer(200, body);
    }
    const auto listed = calls.with([](auto& all) { return all; });
    std::string body = R"({"page_size":100,"next_page_uri":null,"calls":[)";
    for (std::size_t i = 0; i < listed.size(); ++i) body += (i > 0 ? "," : "") + listed[i];
    return answer(200, body + "]}");
  }
};

std::string listed(int n, const std::string& status = "in-progress",
                   const std::string& to = "+14155551000") {
  return call_json(sid_of(static_cast<std::uint64_t>(n)), to, "+14155559999", status,
                   to_rfc2822(wall_now()));
}

struct Unknown {
  Books books;
  World world{[this](const Received& request) { return books(request); }};
  std::int64_t list = world.list(1);

  Unknown() {
    world.dial(list);
    REQUIRE(world.attempt_state(list) == "unknown");
    world.options.unknown_grace = milliseconds(0);
  }
  std::int64_t reconcile() {
    const auto changed =
        dialer::reconcile(world.deps, world.options, {list}, Deadline::after(milliseconds(5000)));
    REQUIRE(changed);
    return *changed;
  }
};

TEST_CASE("dialer.evidence: a call on the carrier's books binds the unknown attempt") {
  Unknown unknown;
  unknown.books.calls.with([](auto& all) { all.push_back(listed(5)); });
  CHECK(unknown.reconcile() == 1);
  CHECK(unknown.world.attempt_state(unknown.list) == "placed");
  CHECK(unknown.world.value("SELECT call_sid FROM attempts") == sid_of(5));
  CHECK(unknown.world.value("SELECT call_status FROM attempts") == "in-progress");
}

TEST_CASE("dialer.evidence: a call that is over ends the unknown attempt") {
  Unknown unknown;
  unknown.books.calls.with([](auto& all) { all.push_back(listed(5, "completed")); });
  CHECK(unknown.reconcile() == 1);
  CHECK(unknown.world.attempt_state(unknown.list) == "ended");
  CHECK(unknown.world.entry_state(unknown.list) == "done/completed");
}

TEST_CASE("dialer.evidence: calls to other numbers and older calls prove nothing") {
  Unknown unknown;
  unknown.books.calls.with([](auto& all) {
    all.push_back(listed(5, "completed", "+14155551001"));
    all.push_back(call_json(sid_of(6), "+14155551000", "+14155559999", "completed",
                            to_rfc2822(wall_now() - std::chrono::hours(1))));
  });
  CHECK(unknown.reconcile() == 0);
  CHECK(unknown.world.attempt_state(unknown.list) == "unknown");
}

TEST_CASE("dialer.evidence: neither another clock nor a late request hides a call") {
  for (const auto shift : {std::chrono::minutes(-10), std::chrono::minutes(40)}) {
    Unknown unknown;
    unknown.books.calls.with([&](auto& all) {
      all.push_back(call_json(sid_of(5), "+14155551000", "+14155559999", "in-progress",
                              to_rfc2822(wall_now() + shift)));
    });
    CHECK(unknown.reconcile() == 1);
    CHECK(unknown.world.attempt_state(unknown.list) == "placed");
  }
}

TEST_CASE("dialer.evidence: around midnight both days are asked about") {
  Unknown unknown;
  unknown.world.options.unknown_deadline = std::chrono::hours(48);
  unknown.world.sql("UPDATE attempts SET sent_at = date_trunc('day', now()) + interval '5 s'");
  CHECK(unknown.reconcile() == 0);
  std::set<std::string> days;
  for (const auto& request : unknown.world.phone.requests()) {
    const auto at = request.target.find("StartTime=");
    if (at != std::string::npos) days.insert(request.target.substr(at + 10, 10));
  }
  CHECK(days.contains(to_rfc3339(wall_now()).substr(0, 10)));
  CHECK(days.contains(to_rfc3339(wall_now() - std::chrono::hours(24)).substr(0, 10)));
}

TEST_CASE("dialer.evidence: one that cannot be asked about keeps no other from it") {
  Unknown unknown;
  unknown.world.list(2);  // so that there is an entry for a second attempt
  unknown.world.sql(
      "INSERT INTO attempts (tenant_id, list_id, entry_id, n, state, token, epoch, to_number, "
      "from_number, call_sid, sent_at) SELECT tenant_id, list_id, id, 1, 'placed', md5('x'), 1, "
      "'+14155551001', '+14155559999', 'CAbroken', now() - interval '1 day' FROM entries WHERE "
      "phone = '+14155551001'");
  unknown.books.calls.with([](auto& all) { all.push_back(listed(5)); });
  for (int i = 0; i < 8; ++i) {
    CHECK_FALSE(dialer::reconcile(unknown.world.deps, unknown.world.options, {},
                                  Deadline::after(milliseconds(5000))));
    CHECK(unknown.world.attempt_state(unknown.list) == "placed");
  }
}

TEST_CASE("dialer.evidence: a call that the carrier has lost ends after the deadline") {
  World world([](const Received& request) {
    return request.method == "POST" ? placed(sid_of(3)) : refused(404, 20404);
  });
  const auto list = world.list(1);
  world.dial(list);
  world.sql("UPDATE attempts SET sent_at = now() - interval '2 hours'");
  const auto reconcile = [&] {
    const auto changed =
        dialer::reconcile(world.deps, world.options, {list}, Deadline::after(milliseconds(5000)));
    REQUIRE(changed);
    return *changed;
  };
  CHECK(reconcile() == 0);
  CHECK(world.attempt_state(list) == "placed");
  world.options.unknown_deadline = world.options.unknown_grace;
  CHECK(reconcile() == 1);
  CHECK(world.attempt_state(list) == "ended");
  CHECK(world.value("SELECT outcome || ' ' || reason FROM entries") == "failed lost_by_carrier");
  CHECK(world.dial_to_end(list).end == DialEnd::completed);
}

TEST_CASE("dialer.evidence: two calls that fit are an operator's to judge") {
  Unknown unknown;
  unknown.books.calls.with([](auto& all) { all = {listed(5), listed(6)}; });
  CHECK(unknown.reconcile() == 0);
  CHECK(unknown.world.attempt_state(unknown.list) == "unknown");
}

TEST_CASE("dialer.evidence: the token in what the carrier asked for picks one of two calls") {
  Unknown unknown;
  const auto token = unknown.world.value("SELECT token FROM attempts");
  unknown.books.calls.with([](auto& all) { all = {listed(5), listed(6)}; });
  unknown.books.events.with(
      [&](auto& all) { all[sid_of(6)] = "https://calls.example.com/twilio/status/" + token; });
  CHECK(unknown.reconcile() == 1);
  CHECK(unknown.world.value("SELECT call_sid FROM attempts") == sid_of(6));
}

TEST_CASE("dialer.evidence: a call that asked for somebody else's address is not ours") {
  Unknown unknown;
  unknown.books.calls.with([](auto& all) { all.push_back(listed(5)); });
  unknown.books.events.with(
      [](auto& all) { all[sid_of(5)] = "https://crm.example.com/twilio/status"; });
  CHECK(unknown.reconcile() == 0);
  CHECK(unknown.world.attempt_state(unknown.list) == "unknown");
}

TEST_CASE(
    "dialer.evidence: without evidence by the deadline an attempt is abandoned, not redialed") {
  Unknown unknown;
  CHECK(unknown.reconcile() == 0);
  unknown.world.options.unknown_deadline = milliseconds(0);
  CHECK(unknown.reconcile() == 1);
  CHECK(unknown.world.attempt_state(unknown.list) == "abandoned");
  CHECK(unknown.world.entry_state(unknown.list) == "done/failed");
  CHECK(unknown.world.dial_to_end(unknown.list).end == DialEnd::completed);
  CHECK(unknown.world.phone.creates().size() == 1);
}

TEST_CASE("dialer.evidence: a clock that jumps forth brings no deadline nearer") {
  Unknown unknown;
  unknown.world.sql("UPDATE attempts SET sent_at = now() - interval '2 hours'");
  CHECK(unknown.reconcile() == 0);
  CHECK(unknown.world.attempt_state(unknown.list) == "unknown");
  unknown.world.options.unknown_deadline = milliseconds(1);
  while (unknown.world.attempt_state(unknown.list) == "unknown") unknown.reconcile();
  CHECK(unknown.world.attempt_state(unknown.list) == "abandoned");
}

TEST_CASE("dialer.evidence: a carrier that does not answer abandons nothing") {
  Unknown unknown;
  unknown.world.options.unknown_deadline = milliseconds(0);
  auto nowhere = unknown.world.carrier.options();
  nowhere.base_url = "http://127.0.0.1:" + std::to_string(closed_port());
  const carrier::Carrier away(nowhere);
  unknown.world.deps.carrier = &away;
  CHECK_FALSE(dialer::reconcile(unknown.world.deps, unknown.world.options, {unknown.list},
                                Deadline::after(milliseconds(2000))));
  CHECK(unknown.world.attempt_state(unknown.list) == "unknown");
}

TEST_CASE("dialer.evidence: predecessor A8.5 a call whose end was never reported is asked for") {
  World* seen = nullptr;
  World world([&](const Received& request) {
    if (request.method == "POST") return placed(sid_of(3));
    return answer(200, call_json(sid_of(3), "+14155551000", "+14155559999", "completed",
                                 to_rfc2822(wall_now())));
  });
  seen = &world;
  const auto list = world.list(1);
  world.dial(list);
  world.sql(
      "UPDATE attempts SET sent_at = now() - interval '2 hours', placed_at = now() - "
      "interval '2 hours', created_at = now() - interval '2 hours'");
  const auto changed =
      dialer::reconcile(seen->deps, seen->options, {list}, Deadline::after(milliseconds(5000)));
  REQUIRE(changed);
  CHECK(*changed == 1);
  CHECK(world.attempt_state(list) == "ended");
  CHECK(world.entry_state(list) == "done/completed");
}

}  // namespace
}  // namespace call::dialer_test
