// Calls an agent's HTTP tools: POST with {"call_sid", "arguments"}, the answer's JSON goes to the
// model. Each call ends in one ToolResult, whatever happens.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/flow/open_agent.hpp"
#include "core/net/http_stream.hpp"
#include "core/speech/engines.hpp"

namespace call::flow {

/// What a tool says to the model when it failed: {"error": why}.
std::string tool_error(std::string_view why);

class ToolRunner {
 public:
  virtual ~ToolRunner() = default;
  /// Returns at once; the result comes through the sink, also when the tool is unknown.
  virtual void run(speech::RequestId request, const speech::ToolCall& call) = 0;
  /// No result comes for it any more.
  virtual void cancel(const std::string& call_id) = 0;
};

class HttpToolRunner final : public ToolRunner {
 public:
  /// `tools` and `http` must outlive it. One thread.
  HttpToolRunner(const std::map<std::string, HttpTool>& tools, net::HttpStreams& http,
                 std::string call_sid, speech::EngineSink sink);
  ~HttpToolRunner() override;
  void run(speech::RequestId request, const speech::ToolCall& call) override;
  void cancel(const std::string& call_id) override;

  static constexpr std::size_t kMaxAnswer = 64U << 10;

 private:
  class Answer;
  const std::map<std::string, HttpTool>& tools_;
  net::HttpStreams& http_;
  const std::string call_sid_;
  const speech::EngineSink sink_;
  std::map<std::string, net::HttpStreams::Handle> running_;
};

}  // namespace call::flow
