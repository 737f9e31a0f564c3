// A job's hash and its newest result, with anything in any field.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/rq/hook_requests.hpp"
#include "core/rq/job_hash.hpp"
#include "core/rq/meta.hpp"
#include "core/rq/payload.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

// An input is one value a field, in this order, each ended by kEnd (the last one need not be).
constexpr std::array kFields = {"status",         "origin",       "description",  "created_at",
                                "started_at",     "timeout",      "result_ttl",   "meta",
                                "dependency_ids", "retries_left", "return_value", "exc_string",
                                "failure_ttl",    "data",         "webhooks"};
constexpr std::string_view kEnd = "\r\n;";

std::string input_of(const std::array<std::string, kFields.size()>& values) {
  std::string out;
  for (const auto& value : values) out += value + std::string(kEnd);
  return out;
}

}  // namespace

std::vector<std::string> seeds() {
  const Json args = {1, "x", {1.5, nullptr}};
  const Json kwargs = {{"key", "value"}};
  const std::string time = "2026-01-02T03:04:05.678901Z";
  const std::string returned = rq::encode_return(args, rq::Serializer::pickle);
  // Not deflated, which readers accept, so that a changed byte reaches the reader behind zlib.
  const std::string json_data = R"(["calld.noop", null, [1, "x"], {"key": [true, null]}])";
  const std::string json_meta = R"({"progress": 7})";
  const std::string hooks =
      R"([{"job_status":"finished","url":"https://x:8443/a?b","method":"POST","timeout":5,)"
      R"("headers":{"X-Key":"v"}},{"job_status":"failed","url":"ftp://x"}])";
  return {input_of({"queued", "default", "noop(1)", time, "", "180", "500", json_meta, R"(["a"])",
                    "3", "", "", "-1", json_data, hooks}),
          input_of({"finished", "default", "", time, time, "-1", "0", "\x80\x04}.", "[]", "0",
                    returned, "", "31536000", rq::encode_call("calld.noop", args, kwargs)}),
          input_of({"failed", "q", "x", "", "2026-01-01T00:00:00Z", "x", "", "", "[[[", "", "",
                    rq::encode_failure("Traceback\nValueError: no"), "", "\x80\x04N."})};
}

void feed(std::string_view input) {
  rq::Fields fields;
  std::size_t number = 0;
  while (number < kFields.size()) {
    const auto end = std::min(input.find(kEnd), input.size());
    fields[kFields[number++]] = std::string(input.substr(0, end));
    input.remove_prefix(std::min(input.size(), end + kEnd.size()));
  }
  redis::Reply results;
  if (!fields["return_value"].empty() || !fields["exc_string"].empty()) {
    redis::Reply entry;
    for (const auto* name : {"return_value", "exc_string"})
      for (const auto& text : {std::string(name), fields[name]}) {
        redis::Reply word;
        word.text = text;
        entry.items.push_back(word);
      }
    redis::Reply pair;
    pair.items = {redis::Reply{}, entry};
    results.items = {pair};
  }
  static_cast<void>(rq::read_job("id", fields, results));
  for (const std::string_view status : {"finished", "failed"}) {
    rq::End end;
    end.status = status;
    end.failure_text = fields["exc_string"];
    if (const auto hooks = rq::hook_requests(fields["webhooks"], end)) {
      CALL_ASSERT(hooks->size() <= 16);
      for (const auto& hook : *hooks)
        CALL_ASSERT(!hook || hook->url.scheme == "http" || hook->url.scheme == "https");
    }
  }
  static_cast<void>(rq::merge_meta(fields["meta"], {{"k", 1}}, rq::Serializer::json));
}

}  // namespace call::fuzz
