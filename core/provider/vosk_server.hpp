// vosk-server (https://github.com/alphacep/vosk-server): free, on the operator's own machine. One
// reply comes for each message, which is also the pace: at most a few are on their way.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

struct VoskReply {
  bool is_final = false;
  std::string text;  ///< of a final, or the partial
  double confidence = 1;
};
/// Pure.
Result<VoskReply> parse_vosk(std::string_view message);

class VoskListener final : public speech::Listener {
 public:
  /// Connects at once. `host` must outlive it. `endpoint.extra` become members of "config". Members:
  /// one thread.
  VoskListener(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink);
  ~VoskListener() override;

  void begin(speech::RequestId utterance) override;
  void push(audio::PcmView pcm) override;
  void flush(std::uint32_t number) override;

 private:
  class Stream;
  Host& host_;
  std::shared_ptr<Stream> stream_;
};

}  // namespace call::provider
