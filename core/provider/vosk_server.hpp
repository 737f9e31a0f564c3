// vosk-server (https://github.com/alphacep/vosk-server): free, on the operator's own machine. One
// reply comes for each message, which is also the pace: at most a few are on their way.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/provider/streaming_listener.hpp"

namespace call::provider {

class VoskListener final : public StreamingListener {
 public:
  /// `endpoint.extra` become members of "config".
  VoskListener(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink);

 private:
  class Stream;
};

}  // namespace call::provider
