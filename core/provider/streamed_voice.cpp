#include "core/provider/streamed_voice.hpp"

#include <utility>

namespace call::provider {

StreamedVoice::StreamedVoice(Host& host, std::shared_ptr<const Endpoint> endpoint,
                             speech::EngineSink sink)
    : service_{host, endpoint, host.breaker("speak " + origin_of(endpoint->url)), std::move(sink)} {
}

void StreamedVoice::begin(speech::RequestId id) {
  cancel();
  utterance_ = make_utterance(service_, id);
  service_.host.loop().post([u = utterance_] { u->begin(); });
}

void StreamedVoice::add(std::string_view text) {
  if (!utterance_) return;
  service_.host.loop().post([u = utterance_, text = std::string(text)] { u->add(text); });
}

void StreamedVoice::end() {
  if (!utterance_) return;
  service_.host.loop().post([u = utterance_] { u->end(); });
}

void StreamedVoice::cancel() {
  if (!utterance_) return;
  service_.host.loop().post([u = utterance_] { u->stop(); });
  utterance_.reset();
}

}  // namespace call::provider
