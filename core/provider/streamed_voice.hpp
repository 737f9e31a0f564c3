// What voices over the network have in common: each utterance is an object on the host's loop, and the
// engine's members only post to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

/// What the utterances of a voice share.
struct VoiceService {
  Host& host;
  std::shared_ptr<const Endpoint> endpoint;
  std::shared_ptr<Breaker> breaker;
  speech::EngineSink sink;
};

/// One utterance; on the loop.
class VoiceUtterance {
 public:
  VoiceUtterance(VoiceService service, speech::RequestId id)
      : service_(std::move(service)), id_(id) {}
  virtual ~VoiceUtterance() = default;
  VoiceUtterance(const VoiceUtterance&) = delete;
  VoiceUtterance& operator=(const VoiceUtterance&) = delete;

  /// Before there is any text: a good moment to connect.
  virtual void begin() {}
  virtual void add(const std::string& text) = 0;
  virtual void end() = 0;
  /// Nothing is told any more.
  virtual void stop() = 0;

 protected:
  std::string origin() const { return origin_of(service_.endpoint->url); }

  const VoiceService service_;
  const speech::RequestId id_;
};

class StreamedVoice : public speech::Speaker {
 public:
  /// `host` must outlive it. Members: one thread.
  StreamedVoice(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink);
  ~StreamedVoice() override { StreamedVoice::cancel(); }

  void begin(speech::RequestId utterance) final;
  void add(std::string_view text) final;
  void end() final;
  void cancel() final;

 private:
  virtual std::shared_ptr<VoiceUtterance> make_utterance(const VoiceService& service,
                                                         speech::RequestId id) = 0;

  const VoiceService service_;
  std::shared_ptr<VoiceUtterance> utterance_;
};

}  // namespace call::provider
