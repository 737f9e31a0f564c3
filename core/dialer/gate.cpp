#include "core/dialer/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace call::dialer {
namespace {

constexpr double kMarginUs = 4000;

// KEYS[1]: the moments of the last calls, the newest first. ARGV: how many there may be in how long.
// Microseconds. Answer: 0, or how long to wait.
const redis::Script& gate_script() {
  static const redis::Script script{"dialer.gate", R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local most, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = tonumber(redis.call('LINDEX', KEYS[1], most - 1) or '0')
if oldest + span > now then return oldest + span - now end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
redis.call('LTRIM', KEYS[1], 0, most - 1)
redis.call('PEXPIRE', KEYS[1], math.ceil(span / 1000) + 1000)
return 0
)lua"};
  return script;
}

}  // namespace

Gate::Gate(redis::Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

redis::Connection Gate::take() {
  return idle_.with([&](auto& idle) {
    if (idle.empty()) return redis::Connection(endpoint_, "calld-gate");
    auto connection = std::move(idle.back());
    idle.pop_back();
    return connection;
  });
}

Result<std::chrono::microseconds> Gate::pass(const Pace& account, Deadline deadline) {
  // A limit of 1.5 a second is one call in two thirds of a second.
  const double most = std::max(1.0, std::floor(account.per_second));
  const double span = most / account.per_second * (1e6 + kMarginUs);
  const std::vector<std::string> keys{account.key + ":left"};
  const std::vector<std::string> args{fmt::format("{:.0f}", most), fmt::format("{:.0f}", span)};
  auto connection = take();
  CALL_CHECK(connection.ensure_connected(deadline));
  CALL_TRY(const auto reply, connection.run(gate_script(), keys, args, deadline));
  idle_.with([&](auto& idle) { idle.push_back(std::move(connection)); });
  return std::chrono::microseconds(reply.integer);
}

}  // namespace call::dialer
