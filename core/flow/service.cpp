#include "core/flow/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/flow/call_threads.hpp"
#include "core/flow/handler.hpp"

namespace call::flow {
namespace {

constexpr std::chrono::milliseconds kRecordPatience{5000};

/// "call-" and the end of the call's id, which is the part that differs.
std::string thread_name(const std::string& call_sid) {
  constexpr std::size_t kTail = 10;
  return "call-" + call_sid.substr(call_sid.size() > kTail ? call_sid.size() - kTail : 0);
}

}  // namespace

// Members end in reverse: the threads are joined, then the server goes, then what they use.
struct Service::Impl {
  Impl(Catalog c, std::unique_ptr<provider::Host> p, ServiceOptions o, ServiceHooks h,
       metrics::Registry& registry)
      : options(std::move(o)),
        hooks(std::move(h)),
        catalog(std::move(c)),
        providers(std::move(p)),
        vad(speech::SileroModel::load()),
        context(options.max_recognizers > 0 ? options.max_recognizers : options.server.max_calls,
                registry) {}

  Result<media::CallPlan> plan(const media::StartInfo& start);
  media::ServerHooks server_hooks();

  const ServiceOptions options;
  const ServiceHooks hooks;
  const Catalog catalog;
  const std::unique_ptr<provider::Host> providers;
  const std::shared_ptr<const speech::SileroModel> vad;
  HandlerContext context;
  std::unique_ptr<media::Server> server;
  CallThreads threads;  // joined before the server goes: handlers send to its loops
};

Result<media::CallPlan> Service::Impl::plan(const media::StartInfo& start) {
  if (hooks.admit) CALL_CHECK(hooks.admit(start));
  media::CallPlan plan;
  plan.agent = start.parameter("agent");
  if (plan.agent.empty()) plan.agent = options.default_agent;
  if (plan.agent == kEcho) {
    plan.mode = media::Session::Mode::echo;
    return plan;
  }
  const auto tune = [&](const TurnPolicy& turns) {
    plan.tuning = turns.tuning;
    plan.tuning->max_duration =
        std::min(plan.tuning->max_duration, options.server.session.tuning.max_duration);
  };
  if (const auto open = catalog.find_open(plan.agent)) {
    tune(open->agent.turns);
    plan.launch = [this, open](std::shared_ptr<media::CallLink> link, media::CallPlan::Done done) {
      const auto name = thread_name(link->start().call_sid);
      return threads.launch(name, [this, open, link = std::move(link), done = std::move(done)] {
        run_open_handler(open, link, context, *providers, hooks.transfer, done);
      });
    };
    return plan;
  }
  const auto agent = catalog.find(plan.agent);
  if (agent == nullptr) {
    return Error{Errc::not_found, fmt::format("no agent \"{}\"", plan.agent)};
  }
  tune(agent->agent.turns);
  plan.launch = [this, agent](std::shared_ptr<media::CallLink> link, media::CallPlan::Done done) {
    const auto name = thread_name(link->start().call_sid);
    return threads.launch(name, [this, agent, link = std::move(link), done = std::move(done)] {
      run_handler(agent, link, context, done);
    });
  };
  return plan;
}

media::ServerHooks Service::Impl::server_hooks() {
  media::ServerHooks server_hooks;
  server_hooks.authorize = hooks.authorize;
  server_hooks.http = hooks.http;
  server_hooks.plan = [this](const media::StartInfo& start) { return plan(start); };
  server_hooks.make_vad = [this](media::CallTuning::Vad kind) -> std::unique_ptr<speech::Vad> {
    if (kind == media::CallTuning::Vad::energy) return std::make_unique<speech::EnergyVad>();
    return std::make_unique<speech::SileroVad>(vad);
  };
  return server_hooks;
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Service>> Service::start(ServiceOptions options, ServiceHooks hooks,
                                                metrics::Registry& registry) {
  assert_may_block("flow::Service::start");
  CALL_TRY(auto catalog, Catalog::load(options.catalog));
  CALL_TRY(auto providers, provider::Host::make({}, registry));
  auto impl = std::make_unique<Impl>(std::move(catalog), std::move(providers), std::move(options),
                                     std::move(hooks), registry);
  CALL_TRY(impl->server,
           media::Server::start(impl->options.server, impl->server_hooks(), registry));
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

Service::~Service() {
  stop(Deadline::after(std::chrono::seconds(1)));
}

std::uint16_t Service::port() const {
  return impl_->server->port();
}

std::size_t Service::active_calls() const {
  return impl_->server->active_calls();
}

bool Service::drain(Deadline deadline) {
  return impl_->server->drain(deadline) && impl_->threads.wait_idle(deadline) &&
         impl_->server->flush_records(deadline);
}

void Service::stop(Deadline deadline) {
  impl_->server->stop(deadline);
  // Handlers have been told; what they still compute is bounded by their own deadlines.
  const auto records = Deadline::after(kRecordPatience);
  impl_->threads.wait_idle(records);
  impl_->server->flush_records(records);
}

}  // namespace call::flow
