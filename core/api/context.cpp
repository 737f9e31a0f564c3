#include "core/api/context.hpp"

#include <utility>

#include "core/crypto/hash.hpp"
#include "core/dialer/relay.hpp"
#include "core/dialer/wake.hpp"

namespace call::api {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStorePatience{3000};
// Short: on a busy machine several batches side by side get on better than one large one after another.
constexpr milliseconds kBatchPatience{1};
// The caller waits: a Redis that is away must not be felt. The worker's relay is a second behind.
constexpr milliseconds kPushPatience{500};
constexpr milliseconds kNoWakes{2000};

constexpr int kFailuresAMinute = 30;
constexpr std::size_t kMaxAddresses = 10000;
constexpr milliseconds kBetweenTries{100};
constexpr std::size_t kMaxTokens = 10000;

}  // namespace

Context::Context(Options options, Deps deps)
    : options_(std::move(options)), deps_(std::move(deps)), events_(*deps_.store, kBatchPatience) {}

Result<store::PooledConnection> Context::store() {
  auto connection = deps_.store->take(Deadline::after(kStorePatience));
  if (!connection && connection.error().code == Errc::limit)
    return Error{Errc::unavailable, "all database connections are busy"};
  return connection;
}

std::unique_ptr<rq::Client> Context::take_client() {
  auto idle = idle_clients_.with([](Clients& clients) -> std::unique_ptr<rq::Client> {
    if (clients.empty()) return nullptr;
    auto client = std::move(clients.back());
    clients.pop_back();
    return client;
  });
  return idle ? std::move(idle) : std::make_unique<rq::Client>(deps_.redis, *deps_.metrics);
}

void Context::give_back(std::unique_ptr<rq::Client> client) {
  idle_clients_.with([&](Clients& clients) { clients.push_back(std::move(client)); });
}

void Context::push(store::Connection& connection, const std::vector<store::OutboxJob>& jobs) {
  if (jobs.empty()) return;
  auto client = take_client();
  dialer::try_relay(connection, *client, jobs, Deadline::after(kPushPatience));
  give_back(std::move(client));
}

void Context::wake_driver(std::int64_t list_id) {
  if (MonoClock::now().time_since_epoch().count() < no_wakes_before_) return;
  auto client = take_client();
  const auto deadline = Deadline::after(kPushPatience);
  auto redis = client->connection(deadline);
  Status told;
  if (redis) {
    told = dialer::publish_wake(**redis, list_id, deadline);
  } else {
    told = std::move(redis).error();
  }
  give_back(std::move(client));
  if (told) return;
  no_wakes_before_ = (MonoClock::now() + kNoWakes).time_since_epoch().count();
  log_.debug("no wake-up calls for a while: {}", told.error().to_string());
}

bool Context::may_sign_in(const std::string& address, std::string_view token) {
  return sign_ins_.with([&](SignIns& all) {
    const auto now = MonoClock::now();
    if (now >= all.until || all.failed.size() >= kMaxAddresses) {
      all.failed.clear();
      all.until = now + std::chrono::minutes(1);
    }
    const auto found = all.failed.find(address);
    if (found == all.failed.end() || found->second.failures < kFailuresAMinute) return true;
    if (all.good.contains(crypto::sha256(token))) return true;
    if (now < found->second.next_try) return false;
    found->second.next_try = now + kBetweenTries;
    return true;
  });
}

void Context::signed_in(std::string_view token) {
  sign_ins_.with([hash = crypto::sha256(token)](SignIns& all) {
    if (all.good.size() >= kMaxTokens) all.good.clear();
    all.good.insert(hash);
  });
}

void Context::failed_sign_in(const std::string& address) {
  sign_ins_.with([&](SignIns& all) { ++all.failed[address].failures; });
}

Status Context::ping_redis() {
  auto client = take_client();
  const auto deadline = Deadline::after(kPushPatience);
  Status answer;
  if (auto connection = client->connection(deadline); !connection) {
    answer = std::move(connection).error();
  } else if (auto pong = (*connection)->command(redis::cmd("PING"), deadline); !pong) {
    answer = std::move(pong).error();
  }
  give_back(std::move(client));
  return answer;
}

}  // namespace call::api
