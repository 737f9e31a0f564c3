#include "core/dialer/pacing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace call::dialer {
namespace {

// KEYS: schedules. ARGV: their intervals in microseconds. Answer: 0, or microseconds to wait.
const redis::Script& turn_script() {
  static const redis::Script script{"dialer.take_turn", R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local wait = 0
for _, key in ipairs(KEYS) do
  local due = tonumber(redis.call('GET', key) or '0')
  if due - now > wait then wait = due - now end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[i])
  redis.call('SET', key, string.format('%.0f', now + interval),
             'PX', math.ceil(interval / 1000) + 1000)
end
return 0
)lua"};
  return script;
}

// KEYS[1]: schedule. ARGV[1]: microseconds from now.
const redis::Script& hold_script() {
  static const redis::Script script{"dialer.hold", R"lua(
local clock = redis.call('TIME')
local until_us = clock[1] * 1000000 + clock[2] + tonumber(ARGV[1])
local due = tonumber(redis.call('GET', KEYS[1]) or '0')
if until_us > due then
  redis.call('SET', KEYS[1], string.format('%.0f', until_us),
             'PX', math.ceil(ARGV[1] / 1000) + 1000)
end
return 0
)lua"};
  return script;
}

std::string interval_us(double per_second) {
  constexpr double kSlowest = 1.0 / 3600;  // one call an hour; also keeps the TTL bounded
  return fmt::format("{:.0f}", std::ceil(1e6 / std::max(per_second, kSlowest)));
}

}  // namespace

std::string account_key(std::string_view account) {
  return fmt::format("calld:pace:{}:account", account);
}

std::string caller_id_key(std::string_view account, std::string_view number) {
  return fmt::format("calld:pace:{}:from:{}", account, number);
}

std::string list_key(std::string_view account, std::int64_t list_id) {
  return fmt::format("calld:pace:{}:list:{}", account, list_id);
}

Result<std::chrono::microseconds> take_turn(redis::Connection& redis,
                                            const std::vector<Pace>& paces, Deadline deadline) {
  std::vector<std::string> keys;
  std::vector<std::string> intervals;
  for (const auto& pace : paces) {
    keys.push_back(pace.key);
    intervals.push_back(interval_us(pace.per_second));
  }
  CALL_CHECK(redis.ensure_connected(deadline));
  CALL_TRY(const auto reply, redis.run(turn_script(), keys, intervals, deadline));
  return std::chrono::microseconds(reply.integer);
}

Status hold(redis::Connection& redis, std::string_view key, std::chrono::milliseconds span,
            Deadline deadline) {
  const std::vector<std::string> keys{std::string(key)};
  const std::vector<std::string> args{fmt::format("{}", span.count() * 1000)};
  CALL_CHECK(redis.ensure_connected(deadline));
  CALL_CHECK(redis.run(hold_script(), keys, args, deadline));
  return {};
}

}  // namespace call::dialer
