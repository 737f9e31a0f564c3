#include "core/carrier/webhook.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::carrier;

namespace {

const std::string kSid = "CA" + std::string(32, 'a');

Params with(Params params) {
  params.emplace_back("CallSid", kSid);
  params.emplace_back("AccountSid", "AC1");
  return params;
}

}  // namespace

TEST_CASE("carrier.webhook: a completed call tells duration, SIP code and order") {
  const auto event = parse_webhook(with({{"CallStatus", "completed"},
                                         {"CallbackSource", "call-progress-events"},
                                         {"SequenceNumber", "3"},
                                         {"Timestamp", "Mon, 23 Nov 2026 21:56:03 +0000"},
                                         {"CallDuration", "17"},
                                         {"SipResponseCode", "200"},
                                         {"Novelty", "kept"}}));
  REQUIRE(event.ok());
  const auto& e = event.value();
  REQUIRE(e.kind == WebhookKind::progress);
  REQUIRE(e.call_sid == kSid);
  REQUIRE(e.status == CallStatus::completed);
  REQUIRE(e.sequence == 3);
  REQUIRE(e.duration == std::chrono::seconds(17));
  REQUIRE(e.sip_code == 200);
  REQUIRE(to_rfc3339(*e.timestamp) == "2026-11-23T21:56:03Z");
  REQUIRE(net::param_or_empty(e.params, "Novelty") == "kept");
}

TEST_CASE("carrier.webhook: the four kinds are told apart") {
  const auto kind = [](Params params) {
    const auto event = parse_webhook(with(std::move(params)));
    REQUIRE(event.ok());
    return event.value().kind;
  };
  REQUIRE(kind({{"CallStatus", "in-progress"}}) == WebhookKind::answer);
  REQUIRE(kind({{"CallStatus", "in-progress"}, {"AnsweredBy", "human"}}) == WebhookKind::answer);
  REQUIRE(kind({{"AnsweredBy", "machine_start"}}) == WebhookKind::amd);
  REQUIRE(kind({{"StreamEvent", "stream-started"}}) == WebhookKind::stream);
  REQUIRE(kind({{"CallStatus", "ringing"}, {"CallbackSource", "call-progress-events"}}) ==
          WebhookKind::progress);
}

TEST_CASE("carrier.webhook: events without a proper SID or with unknown words are refused") {
  REQUIRE_FALSE(parse_webhook({{"CallStatus", "ringing"}}).ok());
  REQUIRE_FALSE(parse_webhook({{"CallSid", "CA123"}, {"CallStatus", "ringing"}}).ok());
  REQUIRE_FALSE(parse_webhook(with({{"CallStatus", "levitating"}})).ok());
  REQUIRE_FALSE(parse_webhook(with({{"StreamEvent", "stream-paused"}})).ok());
  REQUIRE_FALSE(parse_webhook(with({{"CallbackSource", "call-progress-events"}})).ok());
}

TEST_CASE("carrier.webhook: odd numbers and times are absent, the event counts") {
  const auto event = parse_webhook(with({{"CallStatus", "ringing"},
                                         {"CallbackSource", "call-progress-events"},
                                         {"SequenceNumber", "1x"},
                                         {"Timestamp", "yesterday"},
                                         {"AnsweredBy", "robot"}}));
  REQUIRE(event.ok());
  REQUIRE_FALSE(event.value().sequence);
  REQUIRE_FALSE(event.value().timestamp);
  REQUIRE(event.value().answered_by == AnsweredBy::unknown);
}

TEST_CASE("carrier.call: a status never moves backwards and the first final one stays") {
  const std::vector<CallStatus> life{CallStatus::queued, CallStatus::initiated, CallStatus::ringing,
                                     CallStatus::in_progress, CallStatus::completed};
  for (std::size_t i = 0; i < life.size(); ++i)
    for (std::size_t j = 0; j < life.size(); ++j) REQUIRE(advances(life[i], life[j]) == (j > i));
  REQUIRE_FALSE(advances(CallStatus::completed, CallStatus::failed));
  REQUIRE_FALSE(advances(CallStatus::busy, CallStatus::completed));
  for (const auto status : {CallStatus::queued, CallStatus::no_answer, CallStatus::in_progress})
    REQUIRE(parse_call_status(to_string(status)) == status);
}

TEST_CASE("carrier.call: only CA and 32 lower-case hex digits are a call SID") {
  REQUIRE(is_call_sid(kSid));
  REQUIRE_FALSE(is_call_sid("CA" + std::string(31, 'a')));
  REQUIRE_FALSE(is_call_sid("CA" + std::string(33, 'a')));
  REQUIRE_FALSE(is_call_sid("CA" + std::string(32, 'A')));
  REQUIRE_FALSE(is_call_sid("CB" + std::string(32, 'a')));
  REQUIRE_FALSE(is_call_sid(""));
}
