#include "core/provider/openai_realtime.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"
#include "core/provider/channel.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;
using Kind = RealtimeMessage::Kind;

constexpr std::size_t kMaxMessage = 4U << 20;
/// Turns that are told again on a new connection.
constexpr std::size_t kMaxMemory = 40;
/// Of the session's settings. A service that says nothing of them takes them all the same: messages
/// are read in their order.
constexpr milliseconds kConfirmation{1000};
/// Of one turn, kept for a new connection.
constexpr std::size_t kMaxKept = 60U * 8000U;

std::string text_at(const Json& json, const char* path) {
  return json::get_string_or(json, path, "").value_or("");
}

Json tools_of(const RealtimeSetup& setup) {
  Json tools = Json::array();
  if (!setup.tools) return tools;
  for (const auto& tool : *setup.tools) {
    auto parameters = json::parse(tool.parameters);
    tools.push_back({{"type", "function"},
                     {"name", tool.name},
                     {"description", tool.description},
                     {"parameters", parameters ? std::move(*parameters) : Json::object()}});
  }
  return tools;
}

}  // namespace

std::string realtime_session(const Endpoint& endpoint, RealtimeDialect dialect,
                             const RealtimeSetup& setup) {
  Json session = {{"instructions", setup.instructions}, {"tools", tools_of(setup)}};
  const Json transcription = {{"model", "whisper-1"}};
  if (dialect == RealtimeDialect::current) {
    const Json format = {{"type", "audio/pcmu"}};
    session["type"] = "realtime";
    session["output_modalities"] = {"audio"};
    session["audio"]["input"] = {
        {"format", format}, {"turn_detection", nullptr}, {"transcription", transcription}};
    session["audio"]["output"]["format"] = format;
    if (!endpoint.voice.empty()) session["audio"]["output"]["voice"] = endpoint.voice;
  } else {
    session["modalities"] = {"audio", "text"};
    session["input_audio_format"] = session["output_audio_format"] = "g711_ulaw";
    session["turn_detection"] = nullptr;
    session["input_audio_transcription"] = transcription;
    if (!endpoint.voice.empty()) session["voice"] = endpoint.voice;
  }
  for (const auto& [name, value] : endpoint.extra) {
    auto parsed = json::parse(value);
    session[name] = parsed ? std::move(*parsed) : Json(value);
  }
  return json::dump({{"type", "session.update"}, {"session", std::move(session)}});
}

Result<RealtimeMessage> parse_realtime(std::string_view text) {
  CALL_TRY(const auto json, json::parse(text, {.bytes = kMaxMessage}, "the realtime message"));
  if (!json.is_object()) return Error{Errc::protocol, "the realtime message is no object"};
  const auto type = text_at(json, "type");
  const auto is = [&](std::string_view now, std::string_view beta) {
    return type == now || type == beta;
  };
  RealtimeMessage message;
  message.item = text_at(json, "item_id");
  if (type == "session.updated") {
    message.kind = Kind::ready;
  } else if (is("response.output_audio.delta", "response.audio.delta")) {
    message.kind = Kind::audio;
    if (!crypto::base64_decode_into(message.bytes, text_at(json, "delta")))
      return Error{Errc::protocol, "the realtime audio is no base64"};
  } else if (is("response.output_audio_transcript.delta", "response.audio_transcript.delta") ||
             is("response.output_text.delta", "response.text.delta")) {
    message.kind = Kind::agent_text;
    message.text = text_at(json, "delta");
  } else if (type == "conversation.item.input_audio_transcription.completed" ||
             type == "conversation.item.input_audio_transcription.failed") {
    message.kind = Kind::callee_text;
    message.text = text_at(json, "transcript");
  } else if (type == "response.function_call_arguments.done") {
    message.kind = Kind::call;
    message.call = {text_at(json, "call_id"), text_at(json, "name"), text_at(json, "arguments")};
  } else if (type == "response.done") {
    message.kind = Kind::done;
    message.text = text_at(json, "response.status");
  } else if (type == "error") {
    message.kind = Kind::error;
    message.text = text_at(json, "error.message");
  }
  return message;
}

/// On the loop.
class OpenAiRealtime::Session final : public Channel::Owner {
 public:
  Session(Host& host, std::shared_ptr<const Endpoint> endpoint, RealtimeDialect dialect,
          RealtimeSetup setup, speech::EngineSink sink)
      : endpoint_(std::move(endpoint)),
        dialect_(dialect),
        setup_(std::move(setup)),
        sink_(std::move(sink)),
        late_(host.loop()),
        unconfirmed_(host.loop()) {
    ChannelOptions options;
    options.url = endpoint_->url;
    if (!endpoint_->model.empty()) add_query(options.url, "model", endpoint_->model);
    options.connect_timeout = endpoint_->connect_timeout;
    options.max_message_bytes = kMaxMessage;
    if (!endpoint_->key.empty())
      options.headers.add("Authorization", "Bearer " + endpoint_->key.reveal());
    if (dialect_ == RealtimeDialect::beta) options.headers.add("OpenAI-Beta", "realtime=v1");
    channel_ = Channel::make(host, std::move(options),
                             host.breaker("realtime " + origin_of(endpoint_->url)));
  }

  void start() { channel_->open(*this); }
  void stop() {
    late_.cancel();
    unconfirmed_.cancel();
    channel_->close();
  }

  void begin() {
    kept_.clear();
    committed_ = false;
    send({{"type", "input_audio_buffer.clear"}});
  }

  void push(std::string mulaw) {
    send_audio(mulaw);
    if (kept_.size() + mulaw.size() <= kMaxKept) kept_ += mulaw;
  }

  void commit() {
    committed_ = true;
    send({{"type", "input_audio_buffer.commit"}});
  }

  void tell(const std::string& text) {
    send_message("user", text);
    remember("user", text);
  }

  void respond(speech::RequestId id, std::string say) {
    request_ = id;
    say_ = std::move(say);
    calls_.clear();
    text_.clear();
    item_.clear();
    samples_ = 0;
    waiting_ = true;
    late_.after(endpoint_->answer_timeout, [this] { too_late(); });
    if (ready_) ask();
  }

  void interrupt(milliseconds heard) {
    late_.cancel();
    if (waiting_) send({{"type", "response.cancel"}});
    const auto received = audio::duration_of(samples_);
    const auto cut = std::min(heard, received);
    // A cut at 0, or behind the end, is refused by the service.
    if (!item_.empty() && cut.count() > 0 && cut < received) {
      send({{"type", "conversation.item.truncate"},
            {"item_id", item_},
            {"content_index", 0},
            {"audio_end_ms", cut.count()}});
    }
    waiting_ = false;
    silenced_ = request_;
  }

  void tool_result(const std::string& call_id, const std::string& content) {
    send({{"type", "conversation.item.create"},
          {"item", {{"type", "function_call_output"}, {"call_id", call_id}, {"output", content}}}});
  }

 private:
  void send(const Json& message) {
    if (ready_) channel_->send_text(json::dump(message));
  }
  void send_audio(std::string_view mulaw) {
    // By hand: the only message of which there are many.
    if (!ready_ || mulaw.empty()) return;
    message_ = R"({"type":"input_audio_buffer.append","audio":")";
    crypto::base64_append(message_, mulaw);
    message_ += "\"}";
    channel_->send_text(message_);
  }

  void send_message(const std::string& role, const std::string& text) {
    const bool agent = role == "assistant";
    const char* kind = !agent                                 ? "input_text"
                       : dialect_ == RealtimeDialect::current ? "output_text"
                                                              : "text";
    send(
        {{"type", "conversation.item.create"},
         {"item",
          {{"type", "message"}, {"role", role}, {"content", {{{"type", kind}, {"text", text}}}}}}});
  }

  void ask() {
    Json message = {{"type", "response.create"}};
    if (!say_.empty())
      message["response"]["instructions"] = "Say exactly this, and nothing else: " + say_;
    send(message);
  }

  void remember(const char* role, const std::string& text) {
    if (text.empty()) return;
    memory_.push_back({role, text});
    if (memory_.size() > kMaxMemory) memory_.pop_front();
  }

  void on_up() override {
    channel_->send_text(realtime_session(*endpoint_, dialect_, setup_));
    unconfirmed_.after(kConfirmation, [this] { on_ready(); });
  }

  /// The session is ours: what a former connection knew is told again.
  void on_ready() {
    unconfirmed_.cancel();
    if (std::exchange(ready_, true)) return;
    for (const auto& [role, text] : memory_) send_message(role, text);
    send_audio(kept_);
    if (committed_ && !kept_.empty()) send({{"type", "input_audio_buffer.commit"}});
    if (waiting_) ask();
  }

  void on_down(const Error& error, bool again) override {
    ready_ = false;
    unconfirmed_.cancel();
    last_error_ = error;
    // Half an answer cannot be continued; one that has not begun is asked for again.
    if (waiting_ && (!again || samples_ > 0)) fail(error);
  }

  void on_binary(std::string_view) override {}
  void on_text(std::string_view text) override {
    auto message = parse_realtime(text);
    if (!message) return channel_->drop(message.error());
    const bool wanted = waiting_ && silenced_ != request_;
    switch (message->kind) {
      case Kind::ready:
        return on_ready();
      case Kind::audio:
        if (!wanted) return;
        late_.after(endpoint_->silence_timeout, [this] { too_late(); });
        item_ = message->item;
        samples_ += message->bytes.size();
        return sink_(speech::SpokenAudio{
            request_, audio::Mulaw(message->bytes.begin(), message->bytes.end()), {}});
      case Kind::agent_text:
        if (!wanted) return;
        text_ += message->text;
        return sink_(speech::ReplyText{request_, std::move(message->text)});
      case Kind::callee_text:
        remember("user", message->text);
        return sink_(speech::FinalText{request_, 0, std::move(message->text), 1, {}});
      case Kind::call:
        if (wanted) calls_.push_back(std::move(message->call));
        return;
      case Kind::done:
        return on_done(message->text);
      case Kind::error:  // most are about something that is over already
        last_error_ = {Errc::unavailable, "the realtime service complains: " + message->text};
        return;
      case Kind::other:
        return;
    }
  }

  void on_done(const std::string& status) {
    if (!waiting_ || silenced_ == request_ || status == "cancelled") return;
    if (status == "failed") return fail(last_error_);
    late_.cancel();
    waiting_ = false;
    kept_.clear();
    remember("assistant", text_);
    sink_(speech::ReplyDone{request_, std::move(calls_), status == "incomplete"});
  }

  void too_late() {
    fail(ready_ ? Error{Errc::timeout, "no answer from " + origin_of(endpoint_->url) + " in time"}
                : last_error_);
  }

  void fail(const Error& error) {
    late_.cancel();
    waiting_ = false;
    silenced_ = request_;
    sink_(speech::ReplyFailed{request_, error});
  }

  const std::shared_ptr<const Endpoint> endpoint_;
  const RealtimeDialect dialect_;
  const RealtimeSetup setup_;
  const speech::EngineSink sink_;
  std::shared_ptr<Channel> channel_;
  runtime::Timer late_;
  runtime::Timer unconfirmed_;
  std::deque<std::pair<std::string, std::string>> memory_;
  std::string kept_;     ///< of the callee's present turn
  std::string message_;  ///< scratch
  bool committed_ = false;
  bool ready_ = false;
  bool waiting_ = false;  ///< for an answer, or its rest
  speech::RequestId request_ = 0;
  speech::RequestId silenced_ = 0;  ///< of this one nothing more is told
  std::string say_;
  std::string item_;
  std::string text_;
  std::size_t samples_ = 0;
  std::vector<speech::ToolCall> calls_;
  Error last_error_{Errc::unavailable, "not connected yet"};
};

OpenAiRealtime::OpenAiRealtime(Host& host, std::shared_ptr<const Endpoint> endpoint,
                               RealtimeDialect dialect, RealtimeSetup setup,
                               speech::EngineSink sink)
    : host_(host),
      session_(std::make_shared<Session>(host, std::move(endpoint), dialect, std::move(setup),
                                         std::move(sink))) {
  host_.loop().post([s = session_] { s->start(); });
}
OpenAiRealtime::~OpenAiRealtime() {
  host_.loop().post([s = session_] { s->stop(); });
}
void OpenAiRealtime::begin() {
  host_.loop().post([s = session_] { s->begin(); });
}
void OpenAiRealtime::push(audio::MulawView mulaw) {
  host_.loop().post(
      [s = session_, bytes = std::string(mulaw.begin(), mulaw.end())] { s->push(bytes); });
}
void OpenAiRealtime::commit() {
  host_.loop().post([s = session_] { s->commit(); });
}
void OpenAiRealtime::tell(std::string_view text) {
  host_.loop().post([s = session_, text = std::string(text)] { s->tell(text); });
}
void OpenAiRealtime::respond(speech::RequestId id, std::string_view say) {
  host_.loop().post([s = session_, id, say = std::string(say)] { s->respond(id, say); });
}
void OpenAiRealtime::interrupt(milliseconds heard) {
  host_.loop().post([s = session_, heard] { s->interrupt(heard); });
}
void OpenAiRealtime::tool_result(const std::string& call_id, const std::string& content) {
  host_.loop().post([s = session_, call_id, content] { s->tool_result(call_id, content); });
}

}  // namespace call::provider
