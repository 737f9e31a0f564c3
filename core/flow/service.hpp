// The media server with its agents: what `calld media` runs. Joins media::Server (loops, sockets)
// to the agents (one thread a call).
//
// Which agent: the stream's parameter "agent", else ServiceOptions::default_agent; an unknown one
// ends the call.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/flow/catalog.hpp"
#include "core/flow/open_handler.hpp"
#include "core/media/server.hpp"
#include "core/metrics/metrics.hpp"

namespace call::flow {

struct ServiceOptions {
  media::ServerOptions server;
  CatalogOptions catalog;
  std::string default_agent = "survey";
  std::size_t max_recognizers =
      0;  ///< 7 MB each, one a call in which the callee speaks; 0: max_calls
};

/// Supplied by the wiring. All run on loops and must not block.
struct ServiceHooks {
  decltype(media::ServerHooks::authorize)
      authorize;  ///< the upgrade's signature; empty: everybody may
  std::function<Status(const media::StartInfo&)>
      admit;                                ///< the start's token; empty: everybody may
  decltype(media::ServerHooks::http) http;  ///< health and metrics; empty: 404
  /// Runs on a call's thread and may block; empty: calls cannot be transferred.
  Transfer transfer;
};

class Service {
 public:
  /// Loads agents and models, then opens the port. Errors as Catalog::load() and
  /// media::Server::start(). The registry must outlive the service. Blocks, up to a second.
  static Result<std::unique_ptr<Service>> start(ServiceOptions options, ServiceHooks hooks,
                                                metrics::Registry& registry);
  /// stop() without grace.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  std::uint16_t port() const;
  std::size_t active_calls() const;
  /// Refuses new calls and waits until the present ones have ended by themselves; false at the
  /// deadline. Blocks.
  bool drain(Deadline deadline);
  /// Ends all calls, waits for their threads and until their records are on disk. Blocks.
  void stop(Deadline deadline);

 private:
  struct Impl;
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::flow
