// One media stream: a WebSocket joined to a session, a handler and the spool. Lives on its loop's
// thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/guarded.hpp"
#include "core/base/pi_mutex.hpp"
#include "core/log/log.hpp"
#include "core/media/instruments.hpp"
#include "core/media/server.hpp"
#include "core/media/taped_session.hpp"
#include "core/net/ws.hpp"
#include "core/runtime/loop.hpp"
#include "core/runtime/pulse.hpp"
#include "core/runtime/timer.hpp"

namespace call::media {

class CallConnection;

/// The calls of one loop and the tick that drives them, by absolute deadlines.
class LoopCalls {
 public:
  LoopCalls(const std::string& name, const ServerOptions& options, Instruments& instruments);
  ~LoopCalls();  ///< stops and joins the loop

  runtime::Loop& loop() { return loop_; }
  void start();  ///< thread-safe
  void add(CallConnection& call) { calls_.push_back(&call); }
  void remove(CallConnection& call) { std::erase(calls_, &call); }
  const std::vector<CallConnection*>& calls() const { return calls_; }
  void stop_timer() { timer_.cancel(); }  ///< on the loop

 private:
  void tick();

  const bool raise_priority_;
  std::chrono::milliseconds period_;
  Instruments& instruments_;
  std::vector<CallConnection*> calls_;
  MonoClock::time_point next_tick_{};
  runtime::Pulse pulse_;
  runtime::Loop loop_;
  runtime::Timer timer_;
};

/// What all connections of a server share.
struct ServerState {
  ServerState(ServerOptions o, ServerHooks h, metrics::Registry& registry)
      : options(std::move(o)), hooks(std::move(h)), instruments(registry) {}

  LoopCalls& calls_of(runtime::Loop& loop);
  enum class Admission { granted, full, too_many_unproven };
  Admission admit();
  /// A stream has said a start message that is good.
  void prove();
  void leave(bool proven);

  const ServerOptions options;
  const ServerHooks hooks;
  Instruments instruments;
  std::shared_ptr<Spool> spool;
  std::vector<std::unique_ptr<LoopCalls>> loops;
  Guarded<std::set<std::string>> held;  ///< call ids of accepted streams
  log::Logger log{"media"};
  log::Throttle refusals{std::chrono::seconds(1)};

  mutable PiMutex mutex;
  PiCondition left;
  std::size_t admitted = 0;
  std::size_t unproven = 0;  ///< of those: without an accepted start message
};

class CallConnection final : public net::WsHandler {
 public:
  /// The stream has been admitted; its place is given back on destruction.
  explicit CallConnection(ServerState& state);
  ~CallConnection() override;

  void on_open(net::WsConnection& connection) override;
  void on_text(std::string_view message) override;
  void on_binary(std::string_view message) override;
  void on_close(const net::WsClose& close) override;

  void on_tick(MonoClock::time_point now, std::chrono::milliseconds lateness);
  void end(std::string_view reason);

 private:
  void on_command(Command command);
  void decide(const StartInfo& start);
  void hold(const StartInfo& start, CallPlan plan);
  void launch(const CallPlan& plan);
  void reject(const char* reason, const std::string& why);
  void pump();
  void send_messages();
  void pass_events();
  void pass_tape(bool all);
  const Session& session() const { return taped_->session(); }
  void finish();
  record::CallRecord make_record() const;

  ServerState& state_;
  net::WsConnection* connection_ = nullptr;
  std::optional<TapedSession> taped_;
  Session::Output out_;
  std::shared_ptr<CallLink> link_;
  std::shared_ptr<RecordAssembly> assembly_;
  std::string agent_;
  WallTime opened_at_{};
  std::optional<WallTime> answered_at_;
  record::Counters published_;
  log::Logger log_;
  bool proven_ = false;   ///< the start message was accepted
  bool holding_ = false;  ///< our call id is in ServerState::held
  bool finished_ = false;
};

}  // namespace call::media
