// What the model is told of the conversation so far. Holds two rules that providers insist on: what
// the agent said is what the callee heard of it, and every tool call is answered. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/speech/engines.hpp"

namespace call::flow {

class ChatHistory {
 public:
  /// `system` always stays; the oldest turns go when all others are larger than `max_bytes`.
  explicit ChatHistory(std::string system, std::size_t max_bytes = 48U << 10);

  /// Joined to what the callee said before if nothing came in between.
  void callee_said(std::string_view text);
  /// Returns what to call heard() with; good until the history is trimmed, harmless afterwards.
  std::size_t agent_said(std::string_view text, std::vector<speech::ToolCall> calls = {});
  /// The agent was interrupted: only this was heard of it.
  void heard(std::size_t reply, std::string_view text);
  /// The result of a call; one that nobody asked for, or the second of one call, is left out.
  void tool_result(std::string_view call_id, std::string_view content);

  /// For the next request. Calls without a result are answered with "cancelled"; replies of which
  /// nothing was heard are left out.
  std::vector<speech::ChatMessage> messages() const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::size_t id = 0;
    speech::ChatMessage message;
  };
  void trim();

  const std::string system_;
  const std::size_t max_bytes_;
  std::vector<Entry> entries_;
  std::size_t next_id_ = 1;
};

}  // namespace call::flow
