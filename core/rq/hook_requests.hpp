// Inside core/rq: a job's field "webhooks", which whoever enqueues fills, as requests to send. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"

namespace call::rq {

/// An end that a job's webhooks tell about.
struct End {
  std::string job_id{};
  std::string function{};
  std::string_view status{};  ///< finished or failed
  std::string enqueued_at{};  ///< RFC 3339
  std::string ended_at{};
  std::string failure_text{};
};

struct HookRequest {
  net::Url url;
  net::HttpRequest request;
  std::chrono::seconds patience{};
};

/// The webhooks for this end, up to 16 of a job. A webhook that cannot be sent as it stands is an
/// error in its place; Errc::invalid_argument when the field is no JSON list.
Result<std::vector<Result<HookRequest>>> hook_requests(std::string_view webhooks, const End& end);

}  // namespace call::rq
