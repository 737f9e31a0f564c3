// Do-not-call rules: a number ("+14155550123"), or all numbers that begin so ("+1900*"). They are
// asked when an entry is claimed and once more in the transaction before its call is made, so a rule
// that is committed stops every call that was not on the wire by then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

/// Whose rules: a tenant's, or everybody's (nullopt), which only the system writes.
using DncOwner = std::optional<std::int64_t>;

struct DncRule {
  std::int64_t id = 0;
  std::string pattern;
  bool everybody = false;  ///< of all tenants
  std::string registry;    ///< empty: added by hand
  std::string note;
  WallTime created_at;
};

/// How many were new. Errc::invalid_argument: one is no pattern (contacts::is_dnc_pattern). All or nothing.
Result<std::int64_t> add_dnc(Connection& connection, DncOwner owner,
                             const std::vector<std::string>& patterns, std::string_view note = {});
/// Replaces what the registry said before, and notes that it is fresh: how many patterns it has now.
Result<std::int64_t> import_registry(Connection& connection, DncOwner owner,
                                     std::string_view registry,
                                     const std::vector<std::string>& patterns);
/// How many rules of the registry there are; 0 before the first import.
Result<std::int64_t> registry_size(Connection& connection, DncOwner owner,
                                   std::string_view registry);
/// The owner's rule added by hand or by the registry; Errc::not_found.
Status remove_dnc(Connection& connection, DncOwner owner, std::string_view pattern,
                  std::string_view registry = {});

struct DncFilter {
  std::string number;  ///< E.164: only rules that match it
  std::optional<std::string> registry;
  std::int64_t after_id = 0;
  int limit = 1000;  ///< 1 to 10000
};
/// What holds for the tenant, everybody's rules as well, in the order added.
Result<std::vector<DncRule>> dnc_rules(Connection& connection, std::int64_t tenant_id,
                                       const DncFilter& filter = {});

}  // namespace call::store
