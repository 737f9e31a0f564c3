#include "core/carrier/account.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/affinity.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/net/http_client.hpp"

namespace call::carrier {
namespace {

/// "Fri, 27 Nov 2026 08:00:00 GMT" of HTTP is RFC 2822's form with a numeric zone.
std::optional<WallTime> http_date(std::string_view text) {
  if (!text.ends_with(" GMT")) return std::nullopt;
  return parse_rfc2822(std::string(text.substr(0, text.size() - 3)) + "+0000");
}

}  // namespace

Result<Account> look_at_account(const Options& options, Deadline deadline) {
  assert_may_block("carrier::look_at_account");
  CALL_TRY(const auto url, net::parse_url(options.base_url));
  std::string_view prefix = url.path;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  net::HttpRequest request;
  request.target =
      fmt::format("{}/2010-04-01/Accounts/{}/Balance.json", prefix, options.account_sid);
  request.headers.set("Authorization",
                      net::basic_auth(options.account_sid, options.auth_token.reveal()));
  request.headers.set("Accept", "application/json");
  CALL_TRY(const auto response, net::http_call(url, request, deadline).response);
  if (response.status == 401 || response.status == 403) {
    return Error{Errc::permission,
                 fmt::format("the carrier answered {}: it refuses the account or its token",
                             response.status)};
  }
  Account account;
  account.now = http_date(response.headers.get("Date"));
  if (response.status == 404) return account;
  if (response.status != 200) {
    return Error{Errc::unavailable, fmt::format("the carrier answered {}", response.status)};
  }
  CALL_TRY(const auto document, json::parse(response.body, {}, "the carrier's answer"));
  CALL_TRY(const auto balance, json::get_string(document, "balance"));
  account.balance = parse_number<double>(balance);
  CALL_TRY(account.currency, json::get_string_or(document, "currency", ""));
  return account;
}

}  // namespace call::carrier
