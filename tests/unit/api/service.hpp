// The API on a free port, with a real database and Redis behind it, and a client. One per test.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/api/server.hpp"
#include "core/json/json.hpp"
#include "core/metrics/metrics.hpp"
#include "core/net/form.hpp"
#include "core/net/http.hpp"
#include "core/store/events.hpp"
#include "core/store/pool.hpp"

namespace call::api_test {

class Service {
 public:
  /// What the API finds behind it.
  enum class Behind { everything, no_redis, no_database };
  explicit Service(Behind behind = Behind::everything);
  ~Service();

  net::HttpResponse request(const std::string& method, const std::string& target,
                            const std::string& body = {}, net::Headers headers = {});
  /// With the token of tenant "default" and a JSON body.
  net::HttpResponse call(const std::string& method, const std::string& target,
                         const std::string& body = {});
  std::string token_of(const std::string& tenant);
  static Json json_of(const net::HttpResponse& response);

  /// A list with one entry, made through the API; its id.
  std::int64_t make_list(const std::string& name);

  /// A signed webhook. `url_base` is what the signature is made for.
  net::HttpResponse webhook(const std::string& path, const net::Params& form,
                            const std::string& signed_base = kPublicUrl);
  /// An attempt that was sent: its token.
  std::string sent_attempt(std::int64_t list_id);

  std::string value(const std::string& statement) const;
  std::size_t jobs_waiting(const std::string& queue) const;

  static inline const std::string kPublicUrl = "https://calls.example.com/base";

  std::string database;
  std::string redis_url;
  metrics::Registry registry;
  store::Pool pool;
  store::Pool nowhere;
  std::string token;
  std::unique_ptr<api::Server> server;
};

std::string code_of(const net::HttpResponse& response);  ///< of a problem document

}  // namespace call::api_test
