// Builds the simulator's parts in order and takes them down in the reverse one: first nobody may
// ask any more, then the calls end and say so, then the threads that hold on to them, and last the
// loop on which they live.

#include "core/sim/server.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/affinity.hpp"
#include "core/config/config.hpp"
#include "core/log/log.hpp"
#include "core/net/http_server.hpp"
#include "core/runtime/loop.hpp"
#include "core/sim/rest.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kRestThreads = 64;  ///< delayed answers hold one each
constexpr std::size_t kRestQueue = 1024;
constexpr std::size_t kMaxBody = 16U << 20;  ///< a plan of faults for each of many numbers
constexpr std::size_t kWarmCallers = 200;
constexpr std::chrono::milliseconds kLook{
    20};  ///< how often stop() looks whether the calls are over

bool is_account_sid(const std::string& text) {
  return text.size() == 34 && text.starts_with("AC") &&
         text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos;
}

Status check(const Options& options) {
  if (!is_account_sid(options.account_sid))
    return Error{Errc::invalid_argument, "account_sid must be AC and 32 hex digits"};
  if (options.auth_token.empty())
    return Error{Errc::invalid_argument, "the simulator needs an auth token"};
  if (!(options.calls_per_second > 0))
    return Error{Errc::invalid_argument, "calls_per_second must be above 0"};
  if (options.webhook_threads == 0)
    return Error{Errc::invalid_argument, "webhook_threads must be above 0"};
  return {};
}

}  // namespace

class Server::Impl {
 public:
  Impl(const Options& options, Script script)
      : loop_("sim"),
        webhooks_({options.auth_token, options.webhook_threads, options.fetch_timeout}, loop_),
        voices_(loop_),
        truth_(options.truth_dir),
        clock_(std::make_unique<MediaClock>(loop_)),
        facilities_{loop_,
                    options.account_sid,
                    options.auth_token,
                    options.seed,
                    webhooks_,
                    voices_,
                    truth_,
                    *clock_},
        switchboard_(std::make_unique<Switchboard>(
            Switchboard::Options{options.calls_per_second, options.max_calls}, std::move(script),
            facilities_, metrics_)),
        rest_({options.account_sid, options.auth_token, options.max_concurrent_requests}, loop_,
              *switchboard_, *clock_, faults_, creates_, metrics_) {}

  ~Impl() { stop(Deadline::after(std::chrono::milliseconds(0))); }

  Status prepare(const Options& options) {
    faults_.set_seed(options.seed);
    CALL_TRY(const auto document, config::parse_toml_to_json(options.script, options.script_name));
    CALL_CHECK(faults_.add(document).with_context(options.script_name));
    return creates_.open(options.truth_dir);
  }

  Status listen(const net::HostPort& address) {
    net::HttpServerOptions options;
    options.listen = address;
    options.name = "sim-http";
    options.threads = kRestThreads;
    options.queue_capacity = kRestQueue;
    options.max_body_bytes = kMaxBody;
    CALL_TRY(http_, net::HttpServer::start(
                        options, [this](const auto& request) { return rest_.handle(request); }));
    host_ = address.host;
    return {};
  }

  void warm(const std::vector<CallerScript>& callers) {
    for (const auto& caller : callers) voices_.warm(caller);
  }

  void stop(Deadline deadline) {
    if (stopped_.exchange(true)) return;
    rest_.drain();
    hang_up_all();
    switchboard_->wait_until_idle(deadline);
    if (http_) http_->stop(deadline);
    hang_up_all();  // a create that was under way
    webhooks_.stop();
    voices_.stop();
    switchboard_->wait_until_idle(Deadline::never());  // nothing holds a call up any more
    last_report_ = rest_.report_json();
    on_loop([this] { switchboard_.reset(); });
    loop_.stop();
    loop_.join();
    truth_.stop();
  }

  bool idle() const { return stopped_ || switchboard_->live() == 0; }
  std::uint16_t port() const { return http_->port(); }
  std::string base_url() const { return "http://" + net::to_string({host_, http_->port()}); }
  std::string report_json() { return stopped_ ? last_report_ : rest_.report_json(); }

 private:
  /// Runs `task` on the loop and waits for it.
  void on_loop(const std::function<void()>& task) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    loop_.post([&] {
      task();
      std::lock_guard lock(mutex);
      done = true;
      changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
  }

  void hang_up_all() {
    on_loop([this] { switchboard_->hang_up_all("simulator stopped"); });
  }

  metrics::Registry metrics_;
  runtime::Loop loop_;
  Webhooks webhooks_;
  Voices voices_;
  TruthWriter truth_;
  std::unique_ptr<MediaClock> clock_;
  FaultPlan faults_;
  CreateLog creates_;
  Facilities facilities_;
  std::unique_ptr<Switchboard> switchboard_;
  Rest rest_;
  std::unique_ptr<net::HttpServer> http_;
  std::string host_;
  std::atomic<bool> stopped_{false};
  std::string last_report_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Options options) {
  assert_may_block("sim::Server::start");
  CALL_CHECK(check(options));
  CALL_TRY(const auto address, net::parse_host_port(options.listen));
  CALL_TRY(auto script, Script::parse(options.script, options.script_name));
  const auto warm = script.first_callers(kWarmCallers);
  const auto callers = script.callers();
  auto impl = std::make_unique<Impl>(options, std::move(script));
  CALL_CHECK(impl->prepare(options));
  CALL_CHECK(impl->listen(address));
  impl->warm(warm);
  log::Logger("sim").info("simulated carrier at {}, {} scripted callers, {} calls per second",
                          impl->base_url(), callers, options.calls_per_second);
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::stop(Deadline deadline) {
  assert_may_block("sim::Server::stop");
  impl_->stop(deadline);
}

std::uint16_t Server::port() const {
  return impl_->port();
}
std::string Server::base_url() const {
  return impl_->base_url();
}
std::string Server::report_json() const {
  return impl_->report_json();
}
bool Server::idle() const {
  return impl_->idle();
}

}  // namespace call::sim
