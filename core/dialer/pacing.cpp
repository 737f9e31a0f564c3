#include "core/dialer/pacing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/assert.hpp"

namespace call::dialer {
namespace {

// KEYS: the schedules, the account's first, then the line of lists that wait and when each tenant and
// list was served. ARGV: how far ahead, slack, the intervals, then tenant and list. Microseconds.
// Answer: {1, until the turn's moment} or {0, how long to wait}.
const redis::Script& turn_script() {
  static const redis::Script script{"dialer.take_turn", R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local paces = #KEYS - 2
local line, served = KEYS[paces + 1], KEYS[paces + 2]
local ahead, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local tenant, list = ARGV[paces + 3], ARGV[paces + 4]
local me = tenant .. ':' .. list
local due = {}
for i = 1, paces do due[i] = tonumber(redis.call('GET', KEYS[i]) or '0') end
local moment = math.max(due[1], now)
local own = 0
for i = 2, paces do own = math.max(own, due[i] - moment) end
if own > 0 then
  redis.call('HDEL', line, me)
  return {0, own}
end
local function stand_in_line(wait)
  redis.call('HSET', line, me, string.format('%.0f', now + wait + 50000))
  redis.call('PEXPIRE', line, 60000)
  return {0, wait}
end
if moment > now + ahead then return stand_in_line(moment - now - ahead) end

local function last(who) return tonumber(redis.call('HGET', served, who) or '0') end
local my_tenant, my_list = last('t' .. tenant), last('l' .. list)
local others = redis.call('HGETALL', line)
for i = 1, #others, 2 do
  local other_tenant, other_list = string.match(others[i], '^(%d+):(%d+)$')
  if others[i] ~= me and tonumber(others[i + 1]) < now then
    redis.call('HDEL', line, others[i])
  elseif others[i] ~= me then
    local t, l = last('t' .. other_tenant), last('l' .. other_list)
    if t < my_tenant or (t == my_tenant and l < my_list) then return stand_in_line(1000) end
  end
end

for i = 1, paces do
  local interval = tonumber(ARGV[i + 2])
  local next_due = math.max(due[i], moment - slack) + interval
  redis.call('SET', KEYS[i], string.format('%.0f', next_due),
             'PX', math.ceil((next_due - now) / 1000) + 1000)
end
local at = string.format('%.0f', now)
redis.call('HDEL', line, me)
redis.call('HSET', served, 't' .. tenant, at, 'l' .. list, at)
redis.call('PEXPIRE', served, 3600000)
return {1, moment - now}
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

constexpr double kAheadUs = 60000;
// How late a list may ask whose own pace is due, and still have it made up for.
constexpr double kSlackUs = 4000;
// What the intervals are longer by, over a second: what the gate asks for, and as much again to
// make up for a call that left late.
constexpr double kStretchUs = 8000;

std::string interval_us(double per_second) {
  constexpr double kSlowest = 1.0 / 3600;  // one call an hour; also keeps the TTL bounded
  const double second = 1e6 + kStretchUs;
  return fmt::format("{:.0f}", std::ceil(second / std::max(per_second, kSlowest)));
}

}  // namespace

std::string account_key(std::string_view account) {
  return fmt::format("calld:pace:{}:account", account);
}

std::string caller_id_key(std::string_view account, std::string_view number) {
  return fmt::format("calld:pace:{}:from:{}", account, number);
}

std::string tenant_key(std::string_view account, std::int64_t tenant_id) {
  return fmt::format("calld:pace:{}:tenant:{}", account, tenant_id);
}

std::string list_key(std::string_view account, std::int64_t list_id) {
  return fmt::format("calld:pace:{}:list:{}", account, list_id);
}

Result<Turn> take_turn(redis::Connection& redis, const std::vector<Pace>& paces, const Waiter& who,
                       Deadline deadline) {
  CALL_ASSERT(!paces.empty());
  std::vector<std::string> keys;
  std::vector<std::string> args{fmt::format("{:.0f}", kAheadUs), fmt::format("{:.0f}", kSlackUs)};
  for (const auto& pace : paces) {
    keys.push_back(pace.key);
    args.push_back(interval_us(pace.per_second));
  }
  keys.push_back(paces.front().key + ":line");
  keys.push_back(paces.front().key + ":served");
  args.push_back(std::to_string(who.tenant_id));
  args.push_back(std::to_string(who.list_id));
  CALL_CHECK(redis.ensure_connected(deadline));
  CALL_TRY(const auto reply, redis.run(turn_script(), keys, args, deadline));
  if (reply.items.size() != 2) return Error{Errc::protocol, "Redis gave no turn"};
  return Turn{reply.items[0].integer == 1, std::chrono::microseconds(reply.items[1].integer)};
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
