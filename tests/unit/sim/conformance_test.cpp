// What calld and its simulator say to each other, held against Twilio's published description: the excerpt in
// tests/data/twilio_calls.json, made by the script beside it.
#include <algorithm>
#include <fstream>
#include <set>

#include "core/base/clock.hpp"
#include "core/base/guarded.hpp"
#include "core/base/strings.hpp"
#include "core/net/form.hpp"
#include "tests/unit/sim/application.hpp"

using namespace call;
using namespace call::sim;
using namespace call::sim::test;
using nlohmann::json;

namespace {

const json& description() {
  static const json value = [] {
    std::ifstream file(CALL_TWILIO_CALLS);
    return json::parse(file);
  }();
  return value;
}

struct Exchange {
  net::HttpRequest request;
  net::HttpResponse response;
};

/// Passes requests on to the simulator and keeps both sides.
class Wiretap {
 public:
  explicit Wiretap(std::string target) : target_(std::move(target)) {
    auto started = net::HttpServer::start(
        {}, [this](const net::HttpRequest& request) { return pass_on(request); });
    REQUIRE(started.ok());
    server_ = std::move(*started);
  }
  carrier::Carrier client() const {
    carrier::Options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(server_->port());
    options.account_sid = kAccount;
    options.auth_token = kToken;
    return carrier::Carrier(options);
  }
  Exchange last() const {
    return exchanges_.with([](const auto& list) { return list.back(); });
  }

 private:
  net::HttpResponse pass_on(const net::HttpRequest& request) {
    auto onward = request;
    auto result = net::http_call(*net::parse_url(target_ + request.target), onward, soon());
    if (!result.response) return net::text_response(502, "no answer");
    net::HttpResponse answer{result.response->status, {}, result.response->body};
    exchanges_.with([&](auto& list) { list.push_back({request, answer}); });
    return answer;
  }

  std::string target_;
  Guarded<std::vector<Exchange>> exchanges_;
  std::unique_ptr<net::HttpServer> server_;
};

/// Empty when `text` is a legal form value for `facts`.
std::string fault_in_field(const std::string& text, const json& facts) {
  const auto& item = facts.contains("items") ? facts["items"] : facts;
  const std::string type = item.value("type", "string");
  if (type == "integer") {
    const auto number = parse_number<std::int64_t>(text);
    if (!number) return "not an integer";
    if (item.contains("minimum") && *number < item["minimum"].get<std::int64_t>())
      return "too small";
    if (item.contains("maximum") && *number > item["maximum"].get<std::int64_t>())
      return "too large";
  }
  if (type == "boolean" && text != "true" && text != "false") return "not a boolean";
  if (item.contains("enum")) {
    const auto& all = item["enum"];
    if (std::find(all.begin(), all.end(), text) == all.end()) return "not in the enumeration";
  }
  return {};
}

void check_fields(const net::Params& sent, const json& fields) {
  for (const auto& [name, value] : sent) {
    INFO(name << " = " << value);
    REQUIRE(fields.contains(name));
    REQUIRE(fault_in_field(value, fields[name]).empty());
    if (fields[name].value("type", "") != "array") {
      const auto same = [&name = name](const auto& field) { return field.first == name; };
      CHECK(std::count_if(sent.begin(), sent.end(), same) == 1);
    }
  }
}

void check_form(const Exchange& exchange, const json& form) {
  CHECK(exchange.request.method == "POST");
  CHECK(exchange.request.headers.get("Content-Type") == "application/x-www-form-urlencoded");
  const auto sent = net::decode_form(exchange.request.body).value();
  check_fields(sent, form["fields"]);
  for (const auto& required : form["required"]) {
    INFO(required);
    CHECK(net::find_param(sent, required.get<std::string>()) != nullptr);
  }
}

std::string fault_in_value(const json& value, const json& facts) {
  if (value.is_null())
    return facts.value("nullable", false) ? "" : "null, and the description allows none";
  const std::string type = facts.value("type", "");
  if (type == "string" && !value.is_string()) return "not a string";
  if (type == "integer" && !value.is_number_integer()) return "not an integer";
  if (type == "object" && !value.is_object()) return "not an object";
  if (type == "array" && !value.is_array()) return "not an array";
  if (value.is_string() && facts.contains("enum")) return fault_in_field(value, facts);
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (facts.value("format", "") == "date-time-rfc-2822" && !parse_rfc2822(text))
    return "not an RFC 2822 time";
  if (facts.contains("pattern")) {  // all are two letters and 32 hexadecimal digits
    const auto pattern = facts["pattern"].get<std::string>();
    REQUIRE(pattern.size() == std::string("^CA[0-9a-fA-F]{32}$").size());
    const bool hex = text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos;
    if (text.size() != 34 || text.substr(0, 2) != pattern.substr(1, 2) || !hex)
      return "does not match " + pattern;
  }
  return {};
}

/// Exactly the described properties, each of its type.
void check_object(const json& object, const json& properties) {
  std::set<std::string> described;
  std::set<std::string> found;
  for (const auto& [name, facts] : properties.items()) described.insert(name);
  for (const auto& [name, value] : object.items()) found.insert(name);
  REQUIRE(found == described);
  for (const auto& [name, value] : object.items()) {
    INFO(name << ": " << value);
    REQUIRE(fault_in_value(value, properties[name]).empty());
  }
}

carrier::CreateCall everything(const Fixture& fixture) {
  auto call = fixture.request("<Response><Pause length='60'/></Response>");
  call.fallback_url = fixture.application.url("/fallback");
  call.ring_timeout = std::chrono::seconds(20);
  call.time_limit = std::chrono::seconds(600);
  call.send_digits = "ww1";
  carrier::MachineDetection amd;
  amd.wait_for_message_end = true;
  amd.async_callback_url = fixture.application.url("/amd");
  amd.timeout = std::chrono::seconds(30);
  amd.speech_threshold = std::chrono::milliseconds(2400);
  amd.speech_end_threshold = std::chrono::milliseconds(1200);
  amd.silence_timeout = std::chrono::milliseconds(5000);
  call.machine_detection = amd;
  return call;
}

}  // namespace

TEST_CASE("sim.conformance: creating a call, request and answer, as Twilio describes them") {
  Fixture fixture("");
  Wiretap wire(fixture.server->base_url());
  REQUIRE(wire.client().create_call(everything(fixture), soon()).kind ==
          carrier::CreateOutcome::Kind::placed);
  const auto exchange = wire.last();
  check_form(exchange, description()["create"]);
  CHECK(net::decode_form(exchange.request.body).value().size() == 19);  // nothing was left unsaid
  CHECK(exchange.response.status == 201);
  check_object(json::parse(exchange.response.body), description()["call"]);
}

TEST_CASE("sim.conformance: a call answers as described in each state, over or not") {
  Fixture fixture("");
  Wiretap wire(fixture.server->base_url());
  const auto sid = wire.client().create_call(everything(fixture), soon()).sid;
  REQUIRE(wire.client().fetch_call(sid, soon()).ok());
  check_object(json::parse(wire.last().response.body), description()["call"]);

  fixture.application.wait_for("/status", 3);  // initiated, ringing, answered
  carrier::UpdateCall redirect;
  redirect.action = carrier::UpdateCall::Action::redirect;
  redirect.twiml = "<Response><Pause length='30'/></Response>";
  REQUIRE(wire.client().update_call(sid, redirect, soon()).ok());
  check_form(wire.last(), description()["update"]);
  check_object(json::parse(wire.last().response.body), description()["call"]);

  REQUIRE(wire.client().update_call(sid, {}, soon()).ok());
  check_form(wire.last(), description()["update"]);
  fixture.application.wait_for_end(sid);
  REQUIRE(wire.client().fetch_call(sid, soon()).ok());
  const auto ended = json::parse(wire.last().response.body);
  check_object(ended, description()["call"]);
  CHECK(ended["status"] == "completed");
  CHECK(ended["duration"].is_string());
}

TEST_CASE("sim.conformance: cancelling a call that rings") {
  Fixture fixture("[[caller]]\nnumber = \"+12025550101\"\nring_s = 60\n");
  Wiretap wire(fixture.server->base_url());
  const auto sid = wire.client().create_call(fixture.request("<Response/>"), soon()).sid;
  carrier::UpdateCall cancel;
  cancel.action = carrier::UpdateCall::Action::cancel;
  REQUIRE(wire.client().update_call(sid, cancel, soon()).ok());
  check_form(wire.last(), description()["update"]);
  CHECK(json::parse(wire.last().response.body)["status"] == "canceled");
}

TEST_CASE("sim.conformance: a page of calls, question and answer, as Twilio describes them") {
  Fixture fixture("");
  Wiretap wire(fixture.server->base_url());
  for (int i = 0; i < 3; ++i)
    wire.client().create_call(fixture.request("<Response><Hangup/></Response>"), soon());
  carrier::ListCalls filter;
  filter.page_size = 2;
  filter.to = "+12025550101";
  filter.from = "+12025550100";
  filter.start_date = to_rfc3339(wall_now(), 0).substr(0, 10);
  REQUIRE(wire.client().list_calls(filter, soon()).ok());
  filter.start_date.clear();
  filter.status = carrier::CallStatus::queued;
  REQUIRE(wire.client().list_calls(filter, soon()).ok());
  filter.status.reset();
  REQUIRE(wire.client().list_calls(filter, soon()).value().size() == 3);

  const auto exchange = wire.last();  // the second page: its question came from the first answer
  check_fields(net::decode_form(exchange.request.query()).value(), description()["list"]);
  const auto page = json::parse(exchange.response.body);
  check_object(page, description()["calls"]);
  for (const auto& call : page["calls"]) check_object(call, description()["call"]);
}

TEST_CASE("sim.conformance: every status word of Twilio is known, and no other is written") {
  const auto& words = description()["call"]["status"]["enum"];
  for (const auto& word : words) {
    INFO(word);
    CHECK(carrier::parse_call_status(word.get<std::string>()).has_value());
  }
  CHECK(words.size() == 8);
}
