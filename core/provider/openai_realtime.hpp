// Speech to speech by OpenAI's Realtime WebSocket, in its present form and in the beta one that many
// clones still speak. mu-law goes through as it is: no audio is decoded here.
//
// Turns are ours: the service's own voice detection is off, what the callee said is committed when our
// detector says so, and an interruption cuts the service's memory to what was heard.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

enum class RealtimeDialect { current, beta };

struct RealtimeSetup {
  std::string instructions;
  std::shared_ptr<const std::vector<speech::ToolSpec>> tools;
};

/// What the service tells that matters to us. Empty strings: not in this message.
struct RealtimeMessage {
  enum class Kind {
    other,
    ready,        ///< the session is as we want it
    audio,        ///< `bytes` of an answer, for `item`
    agent_text,   ///< `text` of an answer, a piece
    callee_text,  ///< what the callee has said; empty when the service could not tell
    call,         ///< a tool: `call`
    done,         ///< the answer is complete; `text` is its status
    error,        ///< `text`
  };
  Kind kind = Kind::other;
  std::string item;
  std::string bytes;  ///< mu-law
  std::string text;
  speech::ToolCall call;
};
/// Either dialect. Pure. Errc::protocol when it is no JSON object or its audio is no base64.
Result<RealtimeMessage> parse_realtime(std::string_view message);
/// The message that makes a session ours. Pure.
std::string realtime_session(const Endpoint& endpoint, RealtimeDialect dialect,
                             const RealtimeSetup& setup);

/// One call's connection. Members: one thread, return at once; news by the sink, from the host's loop.
class OpenAiRealtime final : public speech::Converser {
 public:
  OpenAiRealtime(Host& host, std::shared_ptr<const Endpoint> endpoint, RealtimeDialect dialect,
                 RealtimeSetup setup, speech::EngineSink sink);
  ~OpenAiRealtime() override;
  OpenAiRealtime(const OpenAiRealtime&) = delete;
  OpenAiRealtime& operator=(const OpenAiRealtime&) = delete;

  void begin() override;
  void push(audio::MulawView mulaw) override;
  void commit() override;
  void tell(std::string_view text) override;
  void respond(speech::RequestId id, std::string_view say = {}) override;
  void interrupt(std::chrono::milliseconds heard) override;
  void tool_result(const std::string& call_id, const std::string& content) override;

 private:
  class Session;
  Host& host_;
  std::shared_ptr<Session> session_;
};

}  // namespace call::provider
