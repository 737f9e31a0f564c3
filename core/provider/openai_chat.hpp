// A language model behind an OpenAI-compatible chat endpoint (POST {url}/chat/completions, streamed):
// OpenAI, vLLM, llama.cpp's server, Ollama, and many more.
#pragma once

#include <memory>

#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

class OpenAiChat final : public speech::ChatModel {
 public:
  /// `host` must outlive it. Members: one thread.
  OpenAiChat(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink);
  ~OpenAiChat() override;

  /// Before the first word a failure that may pass (no connection, 429, 5xx) is tried once more,
  /// after Retry-After if that is short.
  void ask(speech::ChatRequest request) override;
  void cancel() override;

 private:
  class Asking;

  Host& host_;
  const std::shared_ptr<const Endpoint> endpoint_;
  const std::shared_ptr<Breaker> breaker_;
  const speech::EngineSink sink_;
  std::shared_ptr<Asking> asking_;
};

}  // namespace call::provider
