// OpenAI's Realtime protocol as text, in its present form and in the beta one: the session's settings,
// and what the service tells. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/provider/endpoint.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

/// The longest message that is taken.
inline constexpr std::size_t kMaxRealtimeMessage = 4U << 20;

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
    committed,    ///< what the callee has said is `item`
    callee_text,  ///< the `text` of `item`; empty when the service could not tell
    created,      ///< the answer `response` begins, to our question `event`
    audio,        ///< `bytes` of an answer, for `item`
    agent_text,   ///< `text` of an answer, a piece
    call,         ///< a tool: `call`
    done,         ///< the answer is over; `text` is its status, `reason` why it failed
    error,        ///< `reason` and `code`, about our message `event`
  };
  Kind kind = Kind::other;
  std::string response;  ///< the answer that it belongs to
  std::string item;
  std::string bytes;  ///< mu-law
  std::string text;
  std::string reason;
  std::string code;
  std::string event;
  speech::ToolCall call;
};
/// Either dialect. Errc::protocol when it is no JSON object or its audio is no base64.
Result<RealtimeMessage> parse_realtime(std::string_view message);
/// The message that makes a session ours.
std::string realtime_session(const Endpoint& endpoint, RealtimeDialect dialect,
                             const RealtimeSetup& setup);

}  // namespace call::provider
