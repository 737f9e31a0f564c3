// Bearer tokens. The store keeps only a token's SHA-256 and finds it by that, so no comparison here
// depends on the secret.
#include <optional>
#include <string>
#include <utility>

#include "core/api/context.hpp"
#include "core/api/problem.hpp"
#include "core/base/strings.hpp"

namespace call::api {
namespace {

constexpr std::size_t kMaxToken = 200;

std::optional<std::string_view> bearer_token(const net::HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const auto header = request.headers.get("Authorization");
  if (to_lower_ascii(header.substr(0, kScheme.size())) != kScheme) return std::nullopt;
  const auto token = trim(header.substr(kScheme.size()));
  if (token.empty() || token.size() > kMaxToken) return std::nullopt;
  return token;
}

net::HttpResponse unauthorized(std::string_view detail) {
  auto response = problem(401, "unauthorized", detail);
  response.headers.set("WWW-Authenticate", "Bearer realm=\"calld\"");
  return response;
}

net::HttpResponse too_many_failures() {
  auto response = problem(429, "too_many_failures", "too many failed sign-ins from this address");
  response.headers.set("Retry-After", "60");
  return response;
}

Result<store::Tenant> tenant_of(Context& context, std::string_view token) {
  CALL_TRY(auto connection, context.store());
  return store::tenant_of_token(*connection, token);
}

net::HttpResponse refused(Context& context, const std::string& address) {
  context.failed_sign_in(address);
  context.log().info("a request from {} with an unknown token was refused", address);
  return unauthorized("the token is unknown or revoked");
}

net::HttpResponse failed(Context& context, const net::HttpRequest& request, const Error& error) {
  auto answer = problem(error);
  if (answer.status >= 500)
    context.log().warn("{} {}: {}", request.method, request.path(), error.to_string());
  return answer;
}

}  // namespace

Handler authenticated(Context& context, TenantHandler handler) {
  return [&context, handler = std::move(handler)](const Request& request) {
    const auto token = bearer_token(request.http);
    if (!token) return unauthorized("send a tenant's token as \"Authorization: Bearer TOKEN\"");
    const auto& address = request.http.peer.address;
    if (!context.may_sign_in(address, *token)) return too_many_failures();
    const auto tenant = tenant_of(context, *token);
    if (!tenant && tenant.error().code == Errc::permission) return refused(context, address);
    if (!tenant) return failed(context, request.http, tenant.error());
    context.signed_in(*token);
    auto answer = handler(context, request, *tenant);
    return answer ? *std::move(answer) : failed(context, request.http, answer.error());
  };
}

}  // namespace call::api
