#include "core/dialer/registrations.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/strings.hpp"
#include "core/rq/keys.hpp"

namespace call::dialer {
namespace {

// ARGV[1]: "1" removes them. Answer: their keys.
const redis::Script& orphans_script() {
  static const redis::Script script{"dialer.orphaned_workers", R"lua(
local gone = {}
for _, key in ipairs(redis.call('SMEMBERS', 'rq:workers')) do
  if redis.call('EXISTS', key) == 0 then
    gone[#gone + 1] = key
    if ARGV[1] == '1' then
      redis.call('SREM', 'rq:workers', key)
      for _, queue in ipairs(redis.call('SMEMBERS', 'rq:queues')) do
        redis.call('SREM', 'rq:workers:' .. string.sub(queue, string.len('rq:queue:') + 1), key)
      end
    end
  end
end
return gone
)lua"};
  return script;
}

}  // namespace

Result<std::vector<store::CleanupAction>> orphaned_workers(redis::Connection& redis, Orphans what,
                                                           Deadline deadline) {
  CALL_CHECK(redis.ensure_connected(deadline));
  const std::vector<std::string> flag{what == Orphans::remove ? "1" : "0"};
  CALL_TRY(const auto reply, redis.run(orphans_script(), {}, flag, deadline));
  std::vector<store::CleanupAction> out;
  for (const auto& key : redis::texts(reply)) {
    const auto name = key.substr(std::min(key.size(), rq::keys::kWorkerPrefix.size()));
    out.push_back({"remove_worker", std::nullopt, to_valid_utf8(name), "its record has expired"});
  }
  return out;
}

}  // namespace call::dialer
