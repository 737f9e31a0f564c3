#include "core/media/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/media/call_connection.hpp"

namespace call::media {
namespace {

constexpr std::string_view kPath = "/ws/twilio-media";
/// Room for connections that have not been judged yet and for health checks.
constexpr std::size_t kSpareConnections = 64;

bool is_media_path(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path == kPath;
}

net::WsUpgrade upgrade(ServerState& state, const net::HttpRequest& request) {
  if (!is_media_path(request.path())) return net::text_response(404, "no such path\n");
  if (state.hooks.authorize) {
    if (const auto allowed = state.hooks.authorize(request); !allowed) {
      state.instruments.refused_auth.add();
      if (const auto hidden = state.refusals.admit()) {
        state.log.warn("refused a stream from {}: {} ({} more not shown)", request.peer.address,
                       allowed.error().to_string(), *hidden);
      }
      return net::text_response(403, "forbidden\n");
    }
  }
  const auto admission = state.admit();
  if (admission == ServerState::Admission::granted) return std::make_unique<CallConnection>(state);
  const bool full = admission == ServerState::Admission::full;
  (full ? state.instruments.refused_full : state.instruments.refused_unproven).add();
  const auto why = full ? fmt::format("all {} calls are taken", state.options.max_calls)
                        : std::string("too many streams have not said their start message");
  if (const auto hidden = state.refusals.admit()) {
    state.log.warn("refused a stream: {} ({} more not shown)", why, *hidden);
  }
  return net::text_response(503, why + "\n");
}

net::HttpResponse plain_http(ServerState& state, const net::HttpRequest& request) {
  if (is_media_path(request.path())) {
    auto response = net::text_response(426, "this path speaks WebSocket\n");
    response.headers.set("Upgrade", "websocket");
    return response;
  }
  return state.hooks.http ? state.hooks.http(request) : net::text_response(404, "no such path\n");
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions options, ServerHooks hooks, metrics::Registry& registry)
      : state(std::move(options), std::move(hooks), registry) {}

  ServerState state;
  std::unique_ptr<net::WsServer> ws;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, ServerHooks hooks,
                                              metrics::Registry& registry) {
  assert_may_block("media::Server::start");
  CALL_ASSERT(options.loops > 0 && hooks.plan && hooks.make_vad);
  auto impl = std::make_unique<Impl>(std::move(options), std::move(hooks), registry);
  ServerState& state = impl->state;
  CALL_TRY(state.spool, Spool::start(state.options.spool, registry));
  std::vector<runtime::Loop*> loops;
  for (std::size_t i = 0; i < state.options.loops; ++i) {
    state.loops.push_back(
        std::make_unique<LoopCalls>(fmt::format("media-{}", i), state.options, state.instruments));
    loops.push_back(&state.loops.back()->loop());
  }
  net::WsServerOptions ws;
  ws.listen = state.options.listen;
  ws.tls = state.options.tls;
  ws.limits.max_message_bytes = kMaxMessageBytes;
  ws.max_connections = state.options.max_calls + kSpareConnections;
  net::WsServerHooks ws_hooks;
  ws_hooks.upgrade = [&state](const net::HttpRequest& request) { return upgrade(state, request); };
  ws_hooks.http = [&state](const net::HttpRequest& request) { return plain_http(state, request); };
  CALL_TRY(impl->ws, net::WsServer::start(std::move(ws), std::move(ws_hooks), loops));
  for (auto& calls : state.loops) calls->start();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::~Server() {
  stop(Deadline::after(std::chrono::seconds(1)));
}

std::uint16_t Server::port() const {
  return impl_->ws->port();
}

std::size_t Server::active_calls() const {
  std::lock_guard lock(impl_->state.mutex);
  return impl_->state.admitted;
}

bool Server::drain(Deadline deadline) {
  assert_may_block("media::Server::drain");
  impl_->ws->refuse_upgrades();
  std::unique_lock lock(impl_->state.mutex);
  const auto empty = [this] { return impl_->state.admitted == 0; };
  if (!deadline.is_never()) return impl_->state.left.wait_until(lock, deadline.point(), empty);
  impl_->state.left.wait(lock, empty);
  return true;
}

void Server::stop(Deadline deadline) {
  assert_may_block("media::Server::stop");
  impl_->ws->refuse_upgrades();
  for (auto& loop : impl_->state.loops) {
    LoopCalls* calls = loop.get();
    calls->loop().post([calls] {
      calls->stop_timer();
      for (CallConnection* call : calls->calls()) call->end("shutdown");
    });
  }
  impl_->ws->stop(deadline);
}

bool Server::flush_records(Deadline deadline) {
  return impl_->state.spool->drain(deadline);
}

}  // namespace call::media
