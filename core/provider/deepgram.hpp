// Deepgram's live transcription (wss://.../v1/listen), and servers that speak it.
//
// Our own voice detector decides when a turn ends, so Deepgram's endpointing is off and a pause is a
// Finalize. Only speech is sent; KeepAlive holds the connection in between.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/provider/streaming_listener.hpp"

namespace call::provider {

/// What one message of the server says that matters to us. Pure.
struct DeepgramResult {
  bool is_result = false;
  bool is_final = false;
  bool from_finalize = false;
  std::string text;
  double confidence = 0;
  std::vector<speech::TimedWord> words;  ///< in the audio sent on this connection
  std::int64_t end_ms = 0;               ///< of the audio sent on this connection
  std::string error;                     ///< what the server complains about
};
/// Errc::protocol when the message is no JSON object; one of an unknown type is no result.
Result<DeepgramResult> parse_deepgram(std::string_view message);
/// The address to connect to: `endpoint.extra` become query parameters and win over ours.
net::Url deepgram_url(const Endpoint& endpoint);

class DeepgramListener final : public StreamingListener {
 public:
  DeepgramListener(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink);

 private:
  class Stream;
};

}  // namespace call::provider
