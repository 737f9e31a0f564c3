// Speech to speech by OpenAI's Realtime WebSocket, in its present form and in the beta one that many
// clones still speak. mu-law goes through as it is: no audio is decoded here.
//
// Turns are ours: the service's own voice detection is off, what the callee said is committed when our
// detector says so, and an interruption cuts the service's memory to what was heard. A new connection is
// told what the former one knew: words as far as they were heard, and tools with their results.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/provider/realtime_wire.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

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
