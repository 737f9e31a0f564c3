// The life of an open conversation's handler thread: engines are made, the call's events and the
// engines' news are taken as they come, and at the end everything is cancelled.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/guarded.hpp"
#include "core/flow/catalog.hpp"
#include "core/flow/handler.hpp"
#include "core/media/call_link.hpp"
#include "core/media/server.hpp"
#include "core/provider/host.hpp"

namespace call::flow {

/// Connects a call with a number. May block, up to its own time-out.
using Transfer = std::function<Status(const std::string& call_sid, const std::string& number)>;

/// News of the engines on their way to the handler's thread. Never blocks the sender; what does not
/// fit is dropped and counted, and the engines' deadlines see to the rest.
class EngineInbox {
 public:
  static constexpr std::size_t kMaxNews = 8192;

  explicit EngineInbox(std::weak_ptr<media::CallLink> link) : link_(std::move(link)) {}
  /// For an engine's sink. Thread-safe.
  void push(speech::EngineEvent news);
  /// All that has come.
  std::vector<speech::EngineEvent> take();
  std::uint64_t dropped() const { return dropped_; }

 private:
  const std::weak_ptr<media::CallLink> link_;
  Guarded<std::vector<speech::EngineEvent>> news_;
  std::atomic<std::uint64_t> dropped_{0};
};

/// Holds the conversation until the call has ended, then calls `done` once, whatever happened.
/// Blocks.
void run_open_handler(const std::shared_ptr<const ReadyOpenAgent>& agent,
                      const std::shared_ptr<media::CallLink>& link, HandlerContext& context,
                      provider::Host& host, const Transfer& transfer,
                      const media::CallPlan::Done& done);

}  // namespace call::flow
