// What every handler of the API may use. Built once by the server; thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/router.hpp"
#include "core/api/server.hpp"
#include "core/base/deadline.hpp"
#include "core/base/guarded.hpp"
#include "core/base/result.hpp"
#include "core/log/log.hpp"
#include "core/metrics/metrics.hpp"
#include "core/rq/client.hpp"
#include "core/store/event_writer.hpp"
#include "core/store/outbox.hpp"
#include "core/store/tenants.hpp"

namespace call::api {

/// Failures by address in the current minute, and tokens (their SHA-256) that were good. Bounded: forgotten
/// as a whole each minute, or earlier when too many addresses fail; tokens when they are too many.
struct SignIns {
  struct Address {
    int failures = 0;
    MonoClock::time_point
        next_try{};  ///< of a token that nobody knows yet, once there were too many failures
  };
  MonoClock::time_point until{};
  std::map<std::string, Address> failed;
  std::set<std::string> good;
};

class Context {
 public:
  Context(Options options, Deps deps);

  const Options& options() const { return options_; }
  const log::Logger& log() const { return log_; }
  metrics::Registry& metrics() const { return *deps_.metrics; }

  /// A connection for the time of one request. Errc::unavailable also when all are busy for long.
  Result<store::PooledConnection> store();
  /// The carrier's events, those of many requests written together.
  store::EventWriter& events() { return events_; }
  /// Jobs of a committed change, pushed now if Redis answers at once, else left to the worker.
  void push(store::Connection& connection, const std::vector<store::OutboxJob>& jobs);
  /// A slot of the list has come free: its driver, in whatever worker, should look. A hint: while Redis
  /// is away it is not given.
  void wake_driver(std::int64_t list_id);
  /// Whether PostgreSQL may be asked about the token: not for an address that fails too often, but for a token that
  /// was good before (an address may be a proxy's) and, so that a new one gets in, ten times a second.
  bool may_sign_in(const std::string& address, std::string_view token);
  void signed_in(std::string_view token);
  /// Counts a refused token.
  void failed_sign_in(const std::string& address);
  /// Whether Redis answers.
  Status ping_redis();

 private:
  using Clients = std::vector<std::unique_ptr<rq::Client>>;
  std::unique_ptr<rq::Client> take_client();
  void give_back(std::unique_ptr<rq::Client> client);

  const Options options_;
  const Deps deps_;
  const log::Logger log_{"api"};
  store::EventWriter events_;
  Guarded<Clients> idle_clients_;
  Guarded<SignIns> sign_ins_;
  std::atomic<MonoClock::rep> no_wakes_before_{0};  // Redis did not answer
};

/// A handler for one tenant, chosen by the bearer token. Its error becomes a problem document.
using TenantHandler =
    std::function<Result<net::HttpResponse>(Context&, const Request&, const store::Tenant&)>;
/// 401 without a valid token; 429, without asking PostgreSQL, for an address that keeps failing (Context::may_sign_in).
Handler authenticated(Context& context, TenantHandler handler);

void add_list_routes(Router& router, Context& context);
void add_entry_routes(Router& router, Context& context);
void add_policy_routes(Router& router, Context& context);  ///< dnc, policies, explain
void add_call_routes(Router& router, Context& context);
void add_webhook_routes(Router& router, Context& context);
void add_health_routes(Router& router, Context& context);

}  // namespace call::api
