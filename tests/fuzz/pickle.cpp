// What Python pickles into a job. What can be read can be written and read again as the same.
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/base/assert.hpp"
#include "core/json/json.hpp"
#include "core/rq/pickle.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/rq/pickle_vectors.hpp"

namespace call::fuzz {
namespace {

bool is_over_a_limit(const Error& error) {
  return error.code == Errc::limit;
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (const auto hex : rq::test::kAll) {
    std::string bytes(hex.size() / 2, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      unsigned char byte = 0;
      std::from_chars(&hex[2 * i], &hex[2 * i] + 2, byte, 16);
      bytes[i] = static_cast<char>(byte);
    }
    out.push_back(std::move(bytes));
  }
  out.push_back(rq::pickle_call("calld.noop", {1, "x"}, {{"key", {1.5, nullptr, true}}}));
  return out;
}

void feed(std::string_view input) {
  rq::PickleLimits limits;
  limits.values = 20'000;  // what a hostile one may cost, a thousand times a second
  limits.text_bytes = 1U << 20;
  std::string foreign;
  const auto value = rq::unpickle(input, &foreign, limits);
  if (!value) return;
  // Shared values are written once for each use, so that the second form may be too large.
  const auto again = rq::unpickle(rq::pickle(*value), nullptr, limits);
  CALL_ASSERT(again ? json::dump(*again) == json::dump(*value) : is_over_a_limit(again.error()));
  if (!value->is_object()) return;
  const auto extended = rq::unpickle(rq::extend_pickle(input, {{"progress", 7}}), &foreign, limits);
  CALL_ASSERT(extended ? extended->at("progress") == 7 : is_over_a_limit(extended.error()));
}

}  // namespace call::fuzz
