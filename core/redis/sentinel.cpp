#include "core/redis/sentinel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.hpp"
#include "core/redis/connection.hpp"

namespace call::redis {
namespace {

/// A sentinel on a machine that died does not answer at all; the next one must have its turn.
constexpr std::chrono::milliseconds kPatience{1000};

Result<Address> ask(const Address& sentinel, const std::string& primary, Deadline deadline) {
  Endpoint endpoint;
  endpoint.address = sentinel;
  Connection connection(endpoint);
  CALL_CHECK(connection.ensure_connected(deadline));
  CALL_TRY(const auto reply,
           connection.command(cmd("SENTINEL", "GET-MASTER-ADDR-BY-NAME", primary), deadline));
  if (reply.is_nil()) return Error{Errc::not_found, fmt::format("no primary '{}'", primary)};
  const auto fields = texts(reply);
  const auto port = fields.size() == 2 ? parse_number<std::uint16_t>(fields[1]) : std::nullopt;
  if (!port) return Error{Errc::protocol, "an answer that is not an address"};
  return Address{fields[0], *port};
}

}  // namespace

Result<Address> find_primary(const Endpoint& endpoint, Deadline deadline) {
  std::string answers;
  for (const auto& sentinel : endpoint.sentinels) {
    const auto patience = Deadline::after(std::min(kPatience, deadline.left()));
    auto found = ask(sentinel, endpoint.primary, patience);
    if (found) return found;
    answers += fmt::format("; {}: {}", to_string(sentinel), found.error().context);
  }
  return Error{Errc::unavailable, fmt::format("no sentinel says where the Redis primary '{}' is{}",
                                              endpoint.primary, answers)};
}

}  // namespace call::redis
