#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cmd/text_width.hpp"
#include "cmd/top_view.hpp"

using namespace call;
using namespace call::cmd;

namespace {

Look sample(std::size_t calls) {
  Look look;
  look.at = *parse_rfc3339("2026-11-27T08:00:00Z");
  look.tenant = "default";
  store::ListSummary summary;
  summary.list.id = 7;
  summary.list.name = "spring דנה";
  summary.list.state = store::ListState::running;
  summary.counts.total = 10;
  summary.counts.by_state[4] = 5;
  summary.counts.by_outcome[0] = 5;
  look.lists = {summary};
  for (std::size_t i = 0; i < calls; ++i) {
    store::Attempt call;
    call.list_id = 7;
    call.state = store::AttemptState::placed;
    call.status = store::CallStatus::in_progress;
    call.to_number = "+1212*****01";
    call.call_sid = "CA" + std::to_string(i);
    call.created_at = look.at - std::chrono::seconds(75);
    look.calls.push_back(call);
  }
  rq::QueueInfo queue;
  queue.name = "dial";
  queue.queued = 3;
  look.queues = {queue};
  rq::WorkerInfo worker;
  worker.name = "host.1";
  worker.state = "busy";
  worker.current_job = "evil\x1b[2Jname";
  look.workers = {worker};
  return look;
}

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("cmd.top: everything is there") {
  const auto text = all(draw_top(sample(2), {40, 120}, {}));
  for (const auto* part : {"postgresql ok", "redis ok", "2 open, 2 in conversation", "1:15",
                           "in-progress", "spring דנה", "5/10", "5 completed", "dial", "host.1"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("evil\\x1b[2Jname") != std::string::npos);
}

TEST_CASE("cmd.top: it fits whatever the terminal, and says what it leaves out") {
  for (const std::size_t rows : {1U, 5U, 12U, 24U, 60U}) {
    for (const std::size_t columns : {20U, 40U, 80U, 200U}) {
      const auto lines = draw_top(sample(300), {rows, columns}, {false, true, false});
      CHECK(lines.size() <= rows);
      for (const auto& line : lines) {
        if (&line != &lines.front()) CHECK(display_width(line) <= columns);
      }
    }
  }
  CHECK(all(draw_top(sample(300), {24, 80}, {})).find("… 29") != std::string::npos);
}

TEST_CASE("cmd.top: a service that is away is named, and what was seen last stays") {
  auto look = sample(1);
  look.database_error = "cannot reach the database: connection refused";
  const auto text = all(draw_top(look, {40, 120}, {}));
  CHECK(text.find("postgresql AWAY") != std::string::npos);
  CHECK(text.find("connection refused") != std::string::npos);
  CHECK(text.find("CA0") != std::string::npos);
}

TEST_CASE("cmd.top: an unknown attempt stands out") {
  auto look = sample(1);
  look.calls[0].state = store::AttemptState::unknown;
  CHECK(all(draw_top(look, {40, 120}, {})).find("1 UNKNOWN") != std::string::npos);
}

TEST_CASE("cmd.top: as JSON") {
  const auto json = to_json(sample(2));
  CHECK(json["version"] == 1);
  CHECK(json["calls"].size() == 2);
  CHECK(json["calls"][0]["status"] == "in-progress");
  CHECK(json["database_error"].is_null());
  CHECK(json["queues"][0]["queued"] == 3);
  CHECK(json["lists"][0]["name"] == "spring דנה");
}
