// The OpenAI-compatible chat protocol as text: the request's body, and the answer's events. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/json/json.hpp"
#include "core/provider/endpoint.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

/// The JSON body. `extra` of the endpoint becomes members: numbers, true, false and JSON objects as
/// such, anything else as a string.
std::string chat_body(const Endpoint& endpoint, const speech::ChatRequest& request);

/// Puts an answer together from its events.
class ChatReader {
 public:
  static constexpr std::size_t kMaxCalls = 32;
  static constexpr std::size_t kMaxArguments = 64U << 10;
  static constexpr std::size_t kMaxText = 64U << 10;

  /// The data of one event, or a whole answer that was not streamed. Returns the text that it adds.
  /// Errors: what the provider reports, a chunk that is no JSON, or more than the limits.
  Result<std::string> feed(std::string_view data);
  /// "[DONE]" or a finish_reason was seen: the answer is whole.
  bool finished() const { return finished_; }
  bool cut_short() const { return cut_short_; }
  /// In the order in which the model numbered them; those without a name are left out.
  std::vector<speech::ToolCall> calls() const;

 private:
  Status add_call(const Json& fragment, std::size_t position);

  std::map<std::int64_t, speech::ToolCall> calls_;
  std::size_t text_bytes_ = 0;
  bool finished_ = false;
  bool cut_short_ = false;
};

}  // namespace call::provider
