#include "core/flow/chat_history.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace call::flow {
namespace {

using speech::ChatMessage;
using Role = speech::ChatMessage::Role;

constexpr std::string_view kCancelled = R"({"error":"cancelled"})";

std::size_t bytes_of(const ChatMessage& message) {
  std::size_t bytes = message.text.size();
  for (const auto& call : message.calls) bytes += call.name.size() + call.arguments.size();
  return bytes;
}

}  // namespace

ChatHistory::ChatHistory(std::string system, std::size_t max_bytes)
    : system_(std::move(system)), max_bytes_(max_bytes) {}

void ChatHistory::callee_said(std::string_view text) {
  if (!entries_.empty() && entries_.back().message.role == Role::user) {
    entries_.back().message.text.append(" ").append(text);
  } else {
    entries_.push_back({next_id_++, {Role::user, std::string(text), {}, {}}});
  }
  trim();
}

std::size_t ChatHistory::agent_said(std::string_view text, std::vector<speech::ToolCall> calls) {
  entries_.push_back({next_id_++, {Role::assistant, std::string(text), std::move(calls), {}}});
  const auto id = entries_.back().id;
  trim();
  return id;
}

void ChatHistory::heard(std::size_t reply, std::string_view text) {
  const auto at = std::ranges::find_if(entries_, [&](const auto& e) { return e.id == reply; });
  if (at != entries_.end()) at->message.text = text;
}

void ChatHistory::tool_result(std::string_view call_id, std::string_view content) {
  // Behind the calls and the results that are there already; results come in any order.
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    const bool asked = std::ranges::any_of(at->message.calls,
                                           [&](const auto& call) { return call.id == call_id; });
    if (!asked) continue;
    auto behind = at + 1;
    for (; behind != entries_.end() && behind->message.role == Role::tool; ++behind) {
      if (behind->message.call_id == call_id) return;
    }
    entries_.insert(behind,
                    {next_id_++, {Role::tool, std::string(content), {}, std::string(call_id)}});
    return trim();
  }
}

std::vector<ChatMessage> ChatHistory::messages() const {
  std::vector<ChatMessage> out = {{Role::system, system_, {}, {}}};
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto& message = entries_[i].message;
    if (message.role == Role::assistant && message.text.empty() && message.calls.empty()) continue;
    out.push_back(message);
    if (message.calls.empty()) continue;
    std::set<std::string> open;
    for (const auto& call : message.calls) open.insert(call.id);
    for (; i + 1 < entries_.size() && entries_[i + 1].message.role == Role::tool; ++i) {
      out.push_back(entries_[i + 1].message);
      open.erase(entries_[i + 1].message.call_id);
    }
    for (const auto& id : open) out.push_back({Role::tool, std::string(kCancelled), {}, id});
  }
  return out;
}

/// Whole turns go: what is left begins with something that the callee said.
void ChatHistory::trim() {
  std::size_t bytes = 0;
  for (const auto& entry : entries_) bytes += bytes_of(entry.message);
  while (bytes > max_bytes_ && entries_.size() > 1) {
    std::size_t gone = 1;
    while (gone + 1 < entries_.size() && entries_[gone].message.role != Role::user) ++gone;
    for (std::size_t i = 0; i < gone; ++i) bytes -= bytes_of(entries_[i].message);
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(gone));
    // The newest message alone, if it is a result, has lost its call.
    if (!entries_.empty() && entries_.front().message.role == Role::tool)
      entries_.erase(entries_.begin());
  }
}

}  // namespace call::flow
