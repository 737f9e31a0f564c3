#include "daemon/database.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <thread>

#include "core/json/json.hpp"
#include "core/runtime/thread_name.hpp"
#include "core/store/migrate.hpp"

namespace call::daemon {

namespace {
constexpr std::chrono::seconds kLookAgain{1};
}

bool is_away(const Error& error) {
  return error.code == Errc::unavailable || error.code == Errc::timeout;
}

Status look_at_database(const store::Options& options) {
  CALL_TRY(auto connection, store::Connection::open(options));
  return store::require_schema(connection);
}

Status wait_for_database(Process& process, const store::Options& options) {
  log::Throttle throttle(std::chrono::seconds(30));
  for (;;) {
    const auto found = look_at_database(options);
    if (found || !is_away(found.error())) return found;
    if (throttle.admit()) {
      process.log().warn("waiting for PostgreSQL: {}", found.error().context);
      process.set_state("waiting for PostgreSQL");
    }
    if (!process.pause(kLookAgain)) {
      return Error{Errc::cancelled, "told to end while waiting for PostgreSQL"};
    }
  }
}

class StartCleanup::Impl {
 public:
  Impl(const dialer::Deps& deps, dialer::Options options, std::string source)
      : deps_(deps),
        options_(std::move(options)),
        source_(std::move(source)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

 private:
  void run(const std::stop_token& stop) {
    runtime::name_this_thread("cleanup");
    constexpr std::chrono::seconds kPass{20};
    constexpr std::chrono::seconds kTryAgain{5};
    while (!stop.stop_requested()) {
      const auto done = dialer::cleanup(deps_, options_, source_, Deadline::after(kPass));
      if (done) return;
      if (done.error().code == Errc::conflict) {
        log_.info("left to another process: {}", done.error().context);
        return;
      }
      log_.warn("not done yet: {}", done.error().to_string());
      if (!is_away(done.error())) return;
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kTryAgain, [] { return false; });
    }
  }

  const dialer::Deps& deps_;
  const dialer::Options options_;
  const std::string source_;
  const log::Logger log_{"cleanup"};
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: it ends before the rest
};

StartCleanup::StartCleanup(Process& process, const dialer::Deps& deps,
                           const dialer::Options& options) {
  const auto& duty = process.config().service.role;
  if (duty != process.role()) {
    log::Logger("cleanup").info("skipped at start: it is the duty of the role {}, this is {}", duty,
                                process.role());
    return;
  }
  impl_ = std::make_unique<Impl>(deps, options, fmt::format("start of {}", process.role()));
}

StartCleanup::~StartCleanup() = default;

}  // namespace call::daemon
