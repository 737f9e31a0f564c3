#include "tests/unit/api/service.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/net/http_client.hpp"
#include "core/rq/client.hpp"
#include "core/rq/reads.hpp"
#include "core/store/dialing.hpp"
#include "core/store/tenants.hpp"
#include "tests/support/servers.hpp"

namespace call::api_test {
namespace {

using std::chrono::milliseconds;

const Secret kCarrierToken("carrier-token");

constexpr std::uint16_t kNobody = 1;  // a port that nobody listens on

Deadline soon() {
  return Deadline::after(milliseconds(10000));
}

store::Options store_options(const std::string& url) {
  store::Options options;
  options.url = Secret(url);
  return options;
}

}  // namespace

Service::Service(Behind behind)
    : database(support::migrated_database()),
      redis_url(support::fresh_redis()),
      pool(store_options(database), 4),
      nowhere(store_options("postgresql://calld@127.0.0.1:1/calld"), 4),
      token(token_of("default")) {
  auto redis = redis::parse_url(redis_url);
  REQUIRE(redis);
  if (behind == Behind::no_redis) redis->address.port = kNobody;
  api::Options options;
  options.urls = {kPublicUrl, "wss://media.example.com"};
  options.keys.primary = kCarrierToken;
  options.machine_farewell = "Goodbye.";
  options.http.max_body_bytes = 256U << 10;
  auto started = api::Server::start(
      std::move(options), {behind == Behind::no_database ? &nowhere : &pool, *redis, &registry});
  REQUIRE(started);
  server = *std::move(started);
}

Service::~Service() {
  server->stop(soon());
}

std::string Service::token_of(const std::string& tenant_name) {
  auto connection = pool.take(soon());
  REQUIRE(connection);
  auto tenant = store::find_tenant(**connection, tenant_name);
  if (!tenant) tenant = store::create_tenant(**connection, tenant_name);
  REQUIRE(tenant);
  const auto made = store::create_token(**connection, tenant->id, "test");
  REQUIRE(made);
  return made->reveal();
}

net::HttpResponse Service::request(const std::string& method, const std::string& target,
                                   const std::string& body, net::Headers headers) {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  request.headers = std::move(headers);
  request.body = body;
  const auto url = net::parse_url("http://127.0.0.1:" + std::to_string(server->port()));
  REQUIRE(url);
  auto answer = net::http_call(*url, request, soon()).response;
  REQUIRE(answer);
  return *std::move(answer);
}

net::HttpResponse Service::call(const std::string& method, const std::string& target,
                                const std::string& body) {
  return request(method, target, body,
                 {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}});
}

Json Service::json_of(const net::HttpResponse& response) {
  auto parsed = json::parse(response.body);
  REQUIRE(parsed);
  return *std::move(parsed);
}

std::int64_t Service::make_list(const std::string& name) {
  const auto answer =
      call("POST", "/v1/lists",
           R"({"name":")" + name +
               R"(","from":"+14155559999","agent":"echo","amd":"async","entries":[)"
               R"({"phone":"+14155550123","name":"Dana","variables":{"city":"Haifa"}}]})");
  INFO(answer.body);
  REQUIRE(answer.status == 201);
  return json_of(answer)["id"];
}

net::HttpResponse Service::webhook(const std::string& path, const net::Params& form,
                                   const std::string& signed_base) {
  const auto signature = carrier::sign(kCarrierToken, signed_base + path, form);
  return request(
      "POST", path, net::encode_form(form),
      {{"Content-Type", "application/x-www-form-urlencoded"}, {"X-Twilio-Signature", signature}});
}

std::string Service::sent_attempt(std::int64_t list_id) {
  auto connection = pool.take(soon());
  REQUIRE(connection);
  const auto lease = store::acquire_lease(**connection, list_id, "test", milliseconds(60000));
  REQUIRE(lease);
  const auto claimed = store::claim_entries(**connection, *lease);
  REQUIRE(claimed);
  REQUIRE(claimed->claims.size() == 1);
  REQUIRE(store::mark_sending(**connection, *lease, claimed->claims[0].attempt_id));
  return claimed->claims[0].token;
}

std::string Service::value(const std::string& statement) const {
  return support::sql_value(database, statement);
}

std::size_t Service::jobs_waiting(const std::string& queue) const {
  auto endpoint = redis::parse_url(redis_url);
  REQUIRE(endpoint);
  rq::Client client(*endpoint);
  auto connection = client.connection(soon());
  REQUIRE(connection);
  const auto ids = rq::job_ids(**connection, queue, rq::JobSet::queued, 0, 100, soon());
  REQUIRE(ids);
  return ids->size();
}

std::string code_of(const net::HttpResponse& response) {
  CHECK(response.headers.get("Content-Type") == "application/problem+json");
  return Service::json_of(response).value("code", "");
}

}  // namespace call::api_test
