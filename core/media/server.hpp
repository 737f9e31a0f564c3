// The media server: takes the carrier's media streams, each pinned to one of a few loops, and joins
// each to a handler on a thread of its own. Neither SQL nor Redis is used here.
//
// Who may come in: the path is /ws/twilio-media (a final slash is allowed); above max_calls, with too
// many streams that have not said a good start message, and while draining the upgrade is answered
// 503; `authorize` judges the upgrade (signature), `plan`
// the start message (one-time token). A second stream for a call that is being held is closed with
// 1008 and the first goes on: a token is good once, so the second can only be a mistake or an
// attack.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/media/assembly.hpp"
#include "core/media/call_link.hpp"
#include "core/media/session.hpp"
#include "core/media/spool.hpp"
#include "core/metrics/metrics.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"
#include "core/net/ws_server.hpp"
#include "core/runtime/pulse.hpp"
#include "core/speech/vad.hpp"

namespace call::media {

struct ServerOptions {
  net::HostPort listen{"127.0.0.1", 8081};
  std::size_t loops = 1;        ///< at least 1
  bool raise_priority = false;  ///< of the loops, see core/runtime/priority.hpp
  std::optional<net::ServerTls> tls;
  std::size_t max_calls = 200;  ///< streams, including those that have not said their start message
  std::size_t max_unproven = 0;  ///< of those; 0: a quarter of max_calls, at least 64
  std::chrono::milliseconds tick{40};
  runtime::Pulses* pulses = nullptr;  ///< one pulse a loop; may be null
  SessionOptions session;
  SpoolOptions spool;
};

/// How a call is to be held.
struct CallPlan {
  std::string agent;  ///< for the record
  Session::Mode mode = Session::Mode::conversation;
  std::optional<CallTuning> tuning;  ///< the agent's own
  /// Conversations: starts the handler's thread and returns at once. The handler reads the link
  /// until it is closed and calls `done` once, whatever happens. An error ends the call.
  using Done = std::function<void(HandlerReport)>;
  std::function<Status(std::shared_ptr<CallLink>, Done)> launch;
};

/// All run on loops and must not block.
struct ServerHooks {
  std::function<Status(const net::HttpRequest&)> authorize;  ///< empty: everybody may
  std::function<Result<CallPlan>(const StartInfo&)> plan;
  std::function<std::unique_ptr<speech::Vad>(CallTuning::Vad)> make_vad;
  std::function<net::HttpResponse(const net::HttpRequest&)>
      http;  ///< health and metrics; empty: 404
};

class Server {
 public:
  /// Errors as net::WsServer::start() and Spool::start(). The registry must outlive the server.
  /// Blocks.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, ServerHooks hooks,
                                               metrics::Registry& registry);
  /// stop() without grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  std::size_t active_calls() const;  ///< thread-safe
  /// Refuses new streams and waits until the calls have ended; false at the deadline. Blocks.
  bool drain(Deadline deadline);
  /// Ends every call ("shutdown") and waits until their sockets are closed. Handlers are told;
  /// whoever owns their threads joins them before the server is destroyed. Blocks.
  void stop(Deadline deadline);
  /// Waits until all records that handlers and sessions have handed over are on disk. Blocks.
  bool flush_records(Deadline deadline);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::media
