// Names that stand in command lines, addresses and files (of tenants, policies and caller pools). Pure.
#pragma once

#include <string_view>

#include "core/base/result.hpp"

namespace call::store {

/// Errc::invalid_argument unless the name is [a-z0-9][a-z0-9_-]{0,62}; `what` says whose it is, e.g. "a policy". The
/// database checks the same, but its message is for programmers.
Status check_identifier(std::string_view what, std::string_view name);

}  // namespace call::store
