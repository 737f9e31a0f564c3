#include "core/flow/tool_runner.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/json/json.hpp"

namespace call::flow {

std::string tool_error(std::string_view why) {
  return json::dump(Json{{"error", why}});
}

class HttpToolRunner::Answer final : public net::HttpReceiver {
 public:
  Answer(speech::EngineSink sink, speech::ToolResult result)
      : sink_(std::move(sink)), result_(std::move(result)) {}

  void on_head(const net::HttpResponse& head) override { status_ = head.status; }
  void on_body(std::string_view piece) override {
    body_ += piece.substr(0, kMaxAnswer - std::min(kMaxAnswer, body_.size()));
  }
  void on_end() override {
    if (status_ / 100 != 2) return fail(fmt::format("the tool answered {}: {}", status_, body_));
    result_.content = body_.empty() ? "{}" : to_valid_utf8(body_);
    sink_(result_);
  }
  void on_error(const Error& error) override {
    // The model is told what matters to the conversation; the log has the address.
    fail(error.code == Errc::timeout ? "the tool did not answer in time"
                                     : "the tool cannot be reached");
  }

 private:
  void fail(const std::string& why) {
    constexpr std::size_t kMaxWhy = 500;
    result_.ok = false;
    result_.content = tool_error(truncate_utf8(to_valid_utf8(why), kMaxWhy));
    sink_(result_);
  }
  const speech::EngineSink sink_;
  speech::ToolResult result_;
  std::string body_;
  int status_ = 0;
};

HttpToolRunner::HttpToolRunner(const std::map<std::string, HttpTool>& tools, net::HttpStreams& http,
                               std::string call_sid, speech::EngineSink sink)
    : tools_(tools), http_(http), call_sid_(std::move(call_sid)), sink_(std::move(sink)) {}

HttpToolRunner::~HttpToolRunner() {
  for (const auto& [id, handle] : running_) handle.cancel();
}

void HttpToolRunner::run(speech::RequestId request, const speech::ToolCall& call) {
  speech::ToolResult result{request, call.id, "", true};
  const auto refuse = [&](std::string_view why) {
    result.ok = false;
    result.content = tool_error(why);
    sink_(result);
  };
  const auto found = tools_.find(call.name);
  if (found == tools_.end()) return refuse("there is no tool of that name");
  auto arguments = json::parse(call.arguments.empty() ? "{}" : call.arguments, {}, "arguments");
  if (!arguments || !arguments->is_object()) return refuse("the arguments are no JSON object");
  const auto& tool = found->second;
  net::HttpRequest http;
  http.method = "POST";
  http.headers.add("Content-Type", "application/json");
  // For the tool to tell a repetition: a tool is never called twice for one of these.
  http.headers.add("Idempotency-Key", call_sid_ + "-" + std::to_string(request) + "-" + call.id);
  if (!tool.key.empty()) http.headers.add("Authorization", "Bearer " + tool.key.reveal());
  http.body = json::dump({{"call_sid", call_sid_}, {"tool", call.name}, {"arguments", *arguments}});
  net::HttpStreamLimits limits;
  limits.connect = limits.head = limits.silence = limits.total = tool.timeout;
  limits.max_body_bytes = 1U << 20;
  limits.repeatable = false;
  running_[call.id] =
      http_.start(tool.url, std::move(http), limits, std::make_shared<Answer>(sink_, result));
}

void HttpToolRunner::cancel(const std::string& call_id) {
  const auto found = running_.find(call_id);
  if (found == running_.end()) return;
  found->second.cancel();
  running_.erase(found);
}

}  // namespace call::flow
