// Requests to the REST API, checked as Twilio checks them. Pure. A refusal is the HTTP answer
// itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/net/form.hpp"
#include "core/net/http.hpp"
#include "core/sim/model.hpp"

namespace call::sim {

template <class T>
using Checked = std::variant<T, net::HttpResponse>;

Checked<CallRequest> parse_create(const net::Params& form);
Checked<CallUpdate> parse_update(const net::Params& form);

/// Filters of a list request. Days are UTC.
struct ListFilter {
  std::string to;
  std::string from;
  std::optional<carrier::CallStatus> status;
  std::optional<WallTime> started_from;  ///< inclusive
  std::optional<WallTime> started_before;
  std::optional<WallTime> ended_from;
  std::optional<WallTime> ended_before;
  std::size_t page_size = 50;
  std::size_t page = 0;
  std::optional<std::uint64_t> before_serial;  ///< PageToken: calls created before that one
};
Checked<ListFilter> parse_list(const net::Params& query);
bool matches(const ListFilter& filter, const CallState& call);

}  // namespace call::sim
