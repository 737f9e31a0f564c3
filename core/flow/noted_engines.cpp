#include "core/flow/noted_engines.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/media/tape_text.hpp"

namespace call::flow {
namespace {

/// What all of them are: a name on the tape, and an engine behind, perhaps.
template <class Engine>
class Noted : public Engine {
 public:
  Noted(std::string name, std::unique_ptr<Engine> engine, Note note)
      : name_(std::move(name)), engine_(std::move(engine)), note_(std::move(note)) {}

 protected:
  template <class Pass>
  void pass(std::string_view request, Pass pass) {
    note_(fmt::format("{}: {}", name_, request));
    if (engine_) pass(*engine_);
  }

 private:
  const std::string name_;
  const std::unique_ptr<Engine> engine_;
  const Note note_;
};

std::string audio_line(const void* bytes, std::size_t size) {
  return fmt::format("{} bytes {:016x}", size,
                     media::fingerprint({static_cast<const char*>(bytes), size}));
}

class NotedListener final : public Noted<speech::Listener> {
 public:
  using Noted::Noted;
  void begin(speech::RequestId id) override {
    pass(fmt::format("begin {}", id), [&](auto& e) { e.begin(id); });
  }
  void push(audio::PcmView pcm) override {
    pass(audio_line(pcm.data(), pcm.size_bytes()), [&](auto& e) { e.push(pcm); });
  }
  void flush(std::uint32_t number) override {
    pass(fmt::format("flush {}", number), [&](auto& e) { e.flush(number); });
  }
};

/// The newest message, and a number that all others are in.
std::string request_line(const speech::ChatRequest& request) {
  std::string all;
  for (const auto& message : request.messages) {
    all += fmt::format("{} {} {}\n", static_cast<int>(message.role), message.call_id, message.text);
    for (const auto& call : message.calls)
      all += fmt::format("{} {} {}\n", call.id, call.name, call.arguments);
  }
  return fmt::format("ask {}, {} messages {:016x}{}, the last \"{}\"", request.id,
                     request.messages.size(), media::fingerprint(all),
                     request.tools_allowed ? "" : ", no tools",
                     request.messages.empty() ? "" : request.messages.back().text);
}

class NotedModel final : public Noted<speech::ChatModel> {
 public:
  using Noted::Noted;
  void ask(speech::ChatRequest request) override {
    pass(request_line(request), [&](auto& e) { e.ask(std::move(request)); });
  }
  void cancel() override {
    pass("cancel", [](auto& e) { e.cancel(); });
  }
};

class NotedVoice final : public Noted<speech::Speaker> {
 public:
  using Noted::Noted;
  void begin(speech::RequestId id) override {
    pass(fmt::format("begin {}", id), [&](auto& e) { e.begin(id); });
  }
  void add(std::string_view text) override {
    pass(fmt::format("say \"{}\"", text), [&](auto& e) { e.add(text); });
  }
  void end() override {
    pass("end", [](auto& e) { e.end(); });
  }
  void cancel() override {
    pass("cancel", [](auto& e) { e.cancel(); });
  }
};

class NotedTools final : public Noted<ToolRunner> {
 public:
  using Noted::Noted;
  void run(speech::RequestId request, const speech::ToolCall& call) override {
    pass(fmt::format("run {} {}({})", call.id, call.name, call.arguments),
         [&](auto& e) { e.run(request, call); });
  }
  void cancel(const std::string& id) override {
    pass("cancel " + id, [&](auto& e) { e.cancel(id); });
  }
};

class NotedConverser final : public Noted<speech::Converser> {
 public:
  using Noted::Noted;
  void begin() override {
    pass("begin", [](auto& e) { e.begin(); });
  }
  void push(audio::MulawView mulaw) override {
    pass(audio_line(mulaw.data(), mulaw.size()), [&](auto& e) { e.push(mulaw); });
  }
  void commit() override {
    pass("commit", [](auto& e) { e.commit(); });
  }
  void tell(std::string_view text) override {
    pass(fmt::format("tell \"{}\"", text), [&](auto& e) { e.tell(text); });
  }
  void respond(speech::RequestId id, std::string_view say) override {
    pass(fmt::format("answer {} \"{}\"", id, say), [&](auto& e) { e.respond(id, say); });
  }
  void interrupt(std::chrono::milliseconds heard) override {
    pass(fmt::format("interrupt after {} ms", heard.count()), [&](auto& e) { e.interrupt(heard); });
  }
  void tool_result(const std::string& id, const std::string& content) override {
    pass(fmt::format("result of {}: {}", id, content),
         [&](auto& e) { e.tool_result(id, content); });
  }
};

}  // namespace

Engines noted(Engines engines, const Note& note) {
  engines.listener = std::make_unique<NotedListener>("listener", std::move(engines.listener), note);
  engines.model = std::make_unique<NotedModel>("model", std::move(engines.model), note);
  engines.voice = std::make_unique<NotedVoice>("voice", std::move(engines.voice), note);
  engines.spare_voice =
      std::make_unique<NotedVoice>("spare voice", std::move(engines.spare_voice), note);
  engines.tools = std::make_unique<NotedTools>("tools", std::move(engines.tools), note);
  return engines;
}

RealtimeEngines noted(RealtimeEngines engines, const Note& note) {
  engines.engine = std::make_unique<NotedConverser>("engine", std::move(engines.engine), note);
  engines.spare_voice =
      std::make_unique<NotedVoice>("spare voice", std::move(engines.spare_voice), note);
  engines.tools = std::make_unique<NotedTools>("tools", std::move(engines.tools), note);
  return engines;
}

}  // namespace call::flow
