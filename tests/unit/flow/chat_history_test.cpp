#include "core/flow/chat_history.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::flow;
using Role = speech::ChatMessage::Role;

namespace {

std::string shape(const ChatHistory& history) {
  std::string out;
  for (const auto& message : history.messages()) {
    switch (message.role) {
      case Role::system:
        out += 's';
        break;
      case Role::user:
        out += 'u';
        break;
      case Role::assistant:
        out += message.calls.empty() ? 'a' : 'c';
        break;
      case Role::tool:
        out += 't';
        break;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("flow.chat_history: only what was heard of a reply stays") {
  ChatHistory history("be kind");
  history.callee_said("hello");
  const auto reply = history.agent_said("Hello. How can I help you today?");
  history.heard(reply, "Hello.");
  history.callee_said("wait");
  CHECK(history.messages()[2].text == "Hello.");
  history.heard(reply, "");
  CHECK(shape(history) == "suu");
}

TEST_CASE("flow.chat_history: what the callee says without an answer in between is one message") {
  ChatHistory history("");
  history.callee_said("my name is");
  history.callee_said("Ada");
  CHECK(shape(history) == "su");
  CHECK(history.messages()[1].text == "my name is Ada");
}

TEST_CASE(
    "flow.chat_history: every call is answered, in whatever order results come, or not at all") {
  ChatHistory history("");
  history.callee_said("book it");
  history.agent_said("One moment.", {{"a", "book", "{}"}, {"b", "mail", "{}"}});
  CHECK(shape(history) == "suctt");
  history.callee_said("are you there?");
  history.tool_result("b", "done");
  history.tool_result("b", "twice");
  history.tool_result("x", "nobody asked");
  CHECK(shape(history) == "sucttu");
  const auto messages = history.messages();
  CHECK(messages[3].call_id == "b");
  CHECK(messages[3].text == "done");
  CHECK(messages[4].call_id == "a");
  CHECK(messages[4].text.find("cancelled") != std::string::npos);
}

TEST_CASE("flow.chat_history: the oldest turns go as a whole, the prompt stays") {
  ChatHistory history("prompt", 400);
  for (int i = 0; i < 50; ++i) {
    history.callee_said("question " + std::to_string(i) + std::string(40, '.'));
    history.agent_said("", {{"c" + std::to_string(i), "tool", "{}"}});
    history.tool_result("c" + std::to_string(i), std::string(40, 'r'));
    history.agent_said("answer " + std::to_string(i));
    std::size_t bytes = 0;
    const auto messages = history.messages();
    for (const auto& message : messages) bytes += message.text.size();
    CHECK(bytes < 600);
    CHECK(messages[0].text == "prompt");
    CHECK(messages[1].role == Role::user);
    CHECK(messages.back().text == "answer " + std::to_string(i));
  }
}
