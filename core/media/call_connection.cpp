#include "core/media/call_connection.hpp"

#include <algorithm>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/runtime/priority.hpp"

namespace call::media {
namespace {

using std::chrono::milliseconds;

std::size_t lateness_bucket(milliseconds lateness) {
  const auto at = std::ranges::lower_bound(record::kLatenessBoundsMs, lateness.count());
  return static_cast<std::size_t>(at - record::kLatenessBoundsMs.begin());
}

/// A burst of new calls is far smaller; whoever replays a signature cannot take all places.
std::size_t max_unproven(const ServerOptions& options) {
  return options.max_unproven > 0 ? options.max_unproven
                                  : std::max<std::size_t>(64, options.max_calls / 4);
}

}  // namespace

LoopCalls::LoopCalls(const std::string& name, const ServerOptions& options,
                     Instruments& instruments)
    : raise_priority_(options.raise_priority),
      period_(options.tick),
      instruments_(instruments),
      pulse_(options.pulses, name),
      loop_(name),
      timer_(loop_) {}

LoopCalls::~LoopCalls() {
  assert_may_block("~LoopCalls");
  loop_.stop();
  loop_.join();  // before the timer goes
}

void LoopCalls::start() {
  loop_.post([this] {
    if (raise_priority_) {
      log::Logger("media").info("{} runs at {} priority", loop_.name(),
                                runtime::to_string(runtime::raise_this_thread()));
    }
    next_tick_ = MonoClock::now() + period_;
    timer_.every(period_, [this] { this->tick(); });
  });
}

void LoopCalls::tick() {
  pulse_.beat();
  const auto now = MonoClock::now();
  const auto late = std::max<MonoClock::duration>(now - next_tick_, MonoClock::duration::zero());
  while (next_tick_ <= now) next_tick_ += period_;
  if (calls_.empty()) return;
  instruments_.observe_lateness(std::chrono::duration<double>(late).count());
  for (CallConnection* call : calls_) {
    call->on_tick(now, std::chrono::ceil<milliseconds>(late));
  }
}

LoopCalls& ServerState::calls_of(runtime::Loop& loop) {
  const auto at = std::ranges::find_if(loops, [&](const auto& l) { return &l->loop() == &loop; });
  CALL_ASSERT(at != loops.end());
  return **at;
}

ServerState::Admission ServerState::admit() {
  std::lock_guard lock(mutex);
  if (admitted >= options.max_calls) return Admission::full;
  if (unproven >= max_unproven(options)) return Admission::too_many_unproven;
  ++admitted;
  ++unproven;
  return Admission::granted;
}

void ServerState::prove() {
  std::lock_guard lock(mutex);
  --unproven;
}

void ServerState::leave(bool proven) {
  {
    std::lock_guard lock(mutex);
    --admitted;
    if (!proven) --unproven;
  }
  left.notify_all();
}

CallConnection::CallConnection(ServerState& state) : state_(state), log_(state.log) {}

CallConnection::~CallConnection() {
  state_.leave(proven_);
}

void CallConnection::on_open(net::WsConnection& connection) {
  connection_ = &connection;
  opened_at_ = wall_now();
  taped_.emplace(state_.options.session, MonoClock::now(), state_.options.spool.tape_calls);
  state_.calls_of(connection.loop()).add(*this);
}

void CallConnection::on_text(std::string_view message) {
  taped_->on_message(message, MonoClock::now(), out_);
  pump();
}

/// The protocol has no binary messages; the session counts it as one that it cannot read.
void CallConnection::on_binary(std::string_view) {
  taped_->on_message({}, MonoClock::now(), out_);
  pump();
}

void CallConnection::on_close(const net::WsClose& close) {
  if (!taped_) return;  // the upgrade never completed
  const bool peer = close.by == net::WsClose::By::peer;
  taped_->end(peer                                  ? session().stream_end_means().c_str()
              : close.by == net::WsClose::By::local ? "shutdown"
                                                    : "peer_lost",
              MonoClock::now(), out_);
  state_.calls_of(connection_->loop()).remove(*this);
  connection_ = nullptr;
  pump();
}

void CallConnection::on_tick(MonoClock::time_point now, milliseconds lateness) {
  if (session().ended()) return;
  ++taped_->counters().lateness[lateness_bucket(lateness)];
  taped_->on_tick(now, out_);
  if (link_) link_->set_sample_clock_zero(session().sample_clock_zero());
  state_.instruments.add_progress(taped_->counters(), published_);
  pump();
}

void CallConnection::on_command(Command command) {
  taped_->on_command(std::move(command), MonoClock::now(), out_);
  pump();
}

void CallConnection::end(std::string_view reason) {
  taped_->end(reason, MonoClock::now(), out_);
  pump();
}

/// Carries out what the session wants. Every call into the session ends here.
void CallConnection::pump() {
  if (out_.refused) {
    if (const auto hidden = state_.refusals.admit()) {
      log_.warn("refused a message: {} ({} more not shown)", *out_.refused, *hidden);
    }
    out_.refused.reset();
  }
  if (out_.carrier_error) {
    if (const auto hidden = state_.refusals.admit()) {
      log_.warn("the carrier reports {} ({} more not shown)", *out_.carrier_error, *hidden);
    }
    out_.carrier_error.reset();
  }
  if (out_.start_is_late) log_.warn("a stream has not said its start message yet");
  out_.start_is_late = false;
  if (out_.started) decide(*std::exchange(out_.started, std::nullopt));
  send_messages();
  pass_events();
  pass_tape(out_.ended);
  for (auto& block : out_.recorded) {
    if (!state_.spool->add(session().start().call_sid, std::move(block))) {
      ++taped_->counters().drops["recording_disk"];
    }
  }
  out_.recorded.clear();
  if (std::exchange(out_.ended, false)) finish();
}

void CallConnection::send_messages() {
  auto messages = std::exchange(out_.messages, {});
  if (connection_ == nullptr) return;
  for (const auto& message : messages) {
    const auto sent = connection_->send_text(message);
    if (sent == net::Send::ok) continue;
    if (sent == net::Send::full) taped_->end("peer_not_reading", MonoClock::now(), out_);
    break;
  }
  messages.clear();
  if (out_.messages.empty()) out_.messages = std::move(messages);  // keeps its capacity
}

void CallConnection::pass_events() {
  auto events = std::exchange(out_.events, {});
  if (!link_) return;
  for (auto& event : events) {
    const auto pushed = link_->push(std::move(event));
    if (pushed == CallLink::Push::dropped_audio) ++taped_->counters().drops["handler_slow"];
    if (pushed == CallLink::Push::stuck) taped_->end("handler_stuck", MonoClock::now(), out_);
  }
  // What an ending adds goes to the handler too.
  for (auto& event : out_.events) link_->push(std::move(event));
  events.clear();
  out_.events = std::move(events);
}

/// The tape's end goes to the spool before the record, which completes the folder.
void CallConnection::pass_tape(bool all) {
  constexpr std::size_t kPortion = 16U << 10;
  if (!session().accepted() || !taped_->taped()) return;
  auto bytes = taped_->take_tape(all ? 1 : kPortion);
  if (bytes.empty()) return;
  if (state_.spool->add_tape(session().start().call_sid, record::Track::session,
                             std::move(bytes))) {
    return;
  }
  taped_->stop_tape();
  ++taped_->counters().drops["tape"];
}

void CallConnection::decide(const StartInfo& start) {
  log_ = state_.log.with("call", start.call_sid);
  const bool first =
      state_.held.with([&](auto& held) { return held.insert(start.call_sid).second; });
  if (!first) {
    state_.instruments.refused_twice.add();
    return reject("duplicate_call", "the call is being held already");
  }
  holding_ = true;
  auto plan = state_.hooks.plan(start);
  if (!plan) {
    const bool stranger = plan.error().code == Errc::permission;
    (stranger ? state_.instruments.refused_auth : state_.instruments.refused_agent).add();
    return reject("refused", plan.error().to_string());
  }
  hold(start, std::move(*plan));
}

void CallConnection::reject(const char* reason, const std::string& why) {
  if (const auto hidden = state_.refusals.admit()) {
    log_.warn("refused a stream: {} ({} more not shown)", why, *hidden);
  }
  taped_->end(reason, MonoClock::now(), out_);
}

void CallConnection::hold(const StartInfo& start, CallPlan plan) {
  const bool talks = plan.mode == Session::Mode::conversation;
  if (!talks) taped_->stop_tape();
  proven_ = true;
  state_.prove();
  answered_at_ = wall_now();
  agent_ = plan.agent;
  const auto tuning = plan.tuning.value_or(state_.options.session.tuning);
  taped_->accept(plan.mode, talks ? state_.hooks.make_vad(tuning.vad) : nullptr, tuning,
                 MonoClock::now());
  state_.instruments.calls.add();
  state_.instruments.active_calls.add();
  log_.info("call begins: stream {}, agent {}", start.stream_sid, agent_);
  auto record = make_record();
  record.end_reason = "server_died";  // replaced at the end, if there is one
  state_.spool->open(std::move(record));
  assembly_ = std::make_shared<RecordAssembly>(
      talks, [spool = state_.spool](record::CallRecord done) { spool->finish(std::move(done)); });
  if (talks) launch(plan);
}

void CallConnection::launch(const CallPlan& plan) {
  // The task runs on our loop, and only while we exist.
  auto post = [this, handle = connection_->handle()](Command command) {
    auto shared = std::make_shared<Command>(std::move(command));
    handle.post([this, shared](net::WsConnection&) { on_command(std::move(*shared)); });
  };
  link_ =
      std::make_shared<CallLink>(session().start(), std::move(post), session().sample_clock_zero());
  if (taped_->taped()) {
    link_->set_tape_sink(
        [spool = state_.spool, call_sid = session().start().call_sid](std::string bytes) {
          return spool->add_tape(call_sid, record::Track::handler, std::move(bytes));
        });
  }
  auto done = [assembly = assembly_](HandlerReport report) {
    assembly->handler_ended(std::move(report));
  };
  const auto launched = plan.launch(link_, done);
  if (launched) return;
  log_.error("no handler for the call: {}", launched.error().to_string());
  done({});
  taped_->end("handler_failed", MonoClock::now(), out_);
}

record::CallRecord CallConnection::make_record() const {
  const StartInfo& start = session().start();
  record::CallRecord record;
  record.call_sid = start.call_sid;
  record.stream_sid = start.stream_sid;
  record.tenant = start.parameter("tenant");
  record.list = start.parameter("list");
  record.entry = start.parameter("entry");
  record.attempt = start.parameter("attempt");
  record.from = start.parameter("from");
  record.to = start.parameter("to");
  record.agent = agent_;
  record.started_at = opened_at_;
  record.answered_at = answered_at_;
  record.end_reason = session().end_reason();
  return record;
}

/// The session has ended: close the socket, hand in our half of the record. Nothing is waited for.
void CallConnection::finish() {
  if (std::exchange(finished_, true)) return;
  const std::string& reason = session().end_reason();
  const bool normal = session().accepted();
  if (connection_ != nullptr) connection_->close(normal ? 1000 : 1008, reason);
  if (holding_) state_.held.with([&](auto& held) { held.erase(session().start().call_sid); });
  if (reason == "no_start") state_.instruments.start_timeouts.add();
  if (!normal) return;
  state_.instruments.add_progress(taped_->counters(), published_);
  state_.instruments.add_drops(taped_->counters());
  state_.instruments.active_calls.sub();
  state_.instruments.call_ended(reason, static_cast<double>(session().received_ms()) / 1000);
  auto record = make_record();
  record.ended_at = wall_now();
  record.duration_ms = session().received_ms();
  record.counters = taped_->counters();
  log_.info("call ends: {} after {:.1f} s", reason, static_cast<double>(record.duration_ms) / 1000);
  assembly_->session_ended(std::move(record));
}

}  // namespace call::media
