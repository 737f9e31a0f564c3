#include "tests/support/fakes/providers.hpp"

#include <nlohmann/json.hpp>

#include "core/crypto/base64.hpp"

namespace call::fakes {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kChunkMs = 200;
constexpr const char* kBroken = "broken by the test";
constexpr std::uint16_t kInternalError = 1011;

std::string sse(const Json& json) {
  return "data: " + json.dump() + "\n\n";
}

Json chunk_of(const Json& delta, const char* finish = nullptr) {
  Json choice = {{"index", 0}, {"delta", delta}, {"finish_reason", nullptr}};
  if (finish != nullptr) choice["finish_reason"] = finish;
  return {{"id", "c1"}, {"object", "chat.completion.chunk"}, {"choices", {choice}}};
}

/// The chunks of an answer, as a streaming server sends them.
std::vector<std::string> chunks_of(const ChatAnswer& answer) {
  std::vector<std::string> chunks = {sse(chunk_of({{"role", "assistant"}, {"content", ""}}))};
  for (const auto& piece : answer.pieces) chunks.push_back(sse(chunk_of({{"content", piece}})));
  for (std::size_t i = 0; i < answer.calls.size(); ++i) {
    const auto& call = answer.calls[i];
    Json first = {{"index", i},
                  {"id", call.id},
                  {"type", "function"},
                  {"function", {{"name", call.name}, {"arguments", ""}}}};
    chunks.push_back(sse(chunk_of({{"tool_calls", {first}}})));
    for (const auto& part : call.arguments) {
      const Json fragment = {{"index", i}, {"function", {{"arguments", part}}}};
      chunks.push_back(sse(chunk_of({{"tool_calls", {fragment}}})));
    }
  }
  return chunks;
}

/// The words spread evenly over the audio between two samples of the connection.
Json timed(const std::string& text, std::size_t from, std::size_t to) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  Json json = Json::array();
  const auto second_of = [&](std::size_t word) {
    return (static_cast<double>(from) +
            static_cast<double>((to - from) * word) / static_cast<double>(words.size())) /
           8000;
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    json.push_back({{"word", words[i]},
                    {"start", second_of(i)},
                    {"end", second_of(i + 1)},
                    {"conf", 0.9},
                    {"confidence", 0.9}});
  }
  return json;
}

}  // namespace

std::string mulaw_of(std::string_view text) {
  return std::string(text.size() * kMsPerChar * 8, '\x20');
}

/// Deepgram's live transcription.
class DeepgramSocket final : public Socket {
 public:
  DeepgramSocket(Providers& owner, Connection& connection, int number)
      : owner_(owner), connection_(connection), number_(number) {}

  void on_binary(const std::string& bytes) override {
    owner_.note_audio(bytes);
    samples_ += bytes.size();
    if (pending_.empty()) pending_ = owner_.next_transcript(number_, ++utterances_);
    if (!owner_.keep_log) return;
    result(pending_.substr(0, pending_.find(' ')), from_, samples_, false);
  }
  void on_text(const std::string& text) override {
    owner_.note_text(text);
    if (text.find("Finalize") == std::string::npos) return;
    if (owner_.breaks_midway) {
      connection_.text(Json{{"type", "Error"}, {"description", kBroken}}.dump());
      return connection_.close_socket(kInternalError, "");
    }
    if (owner_.unanswered_finalizes > 0) {
      --owner_.unanswered_finalizes;
      return pending_.clear();
    }
    const auto words = std::exchange(pending_, {});
    owner_.tell("finalize", words);
    const auto from = std::exchange(from_, samples_);
    connection_.later(owner_.timing().transcript, [this, words, from, to = samples_] {
      owner_.tell("final", words);
      result(words, from, to, true);
      if (owner_.closes_politely) connection_.close_socket(1000, "");
    });
  }

 private:
  /// What was said between two samples of the connection.
  void result(const std::string& words, std::size_t from, std::size_t to, bool finalized) {
    Json json = {
        {"type", "Results"},
        {"channel_index", {0, 1}},
        {"start", static_cast<double>(from) / 8000},
        {"duration", static_cast<double>(to - from) / 8000},
        {"is_final", finalized},
        {"speech_final", finalized},
        {"channel",
         {{"alternatives",
           {{{"transcript", words}, {"confidence", 0.98}, {"words", timed(words, from, to)}}}}}}};
    if (finalized) json["from_finalize"] = true;
    connection_.text(json.dump());
  }

  Providers& owner_;
  Connection& connection_;
  const int number_;
  int utterances_ = 0;
  std::size_t samples_ = 0;
  std::size_t from_ = 0;
  std::string pending_;
};

/// vosk-server: one reply a message.
class VoskSocket final : public Socket {
 public:
  VoskSocket(Providers& owner, Connection& connection) : owner_(owner), connection_(connection) {}

  void on_binary(const std::string& bytes) override {
    owner_.note_audio(bytes);
    samples_ += bytes.size() / 2;
    if (pending_.empty()) pending_ = owner_.next_transcript(0, 0);
    connection_.text(Json{{"partial", pending_.substr(0, pending_.find(' '))}}.dump());
  }
  void on_text(const std::string& text) override {
    owner_.note_text(text);
    if (text.find("config") != std::string::npos) return;
    if (owner_.breaks_midway) return connection_.close_socket(kInternalError, "");
    const auto words = std::exchange(pending_, {});
    connection_.text(Json{{"text", words}, {"result", timed(words, from_, samples_)}}.dump(),
                     owner_.timing().transcript);
    from_ = samples_;
    if (owner_.closes_politely || text == R"({"eof" : 1})") connection_.close_socket(1000, "");
  }

 private:
  Providers& owner_;
  Connection& connection_;
  std::size_t samples_ = 0;
  std::size_t from_ = 0;
  std::string pending_;
};

/// ElevenLabs' stream-input.
class ElevenSocket final : public Socket {
 public:
  ElevenSocket(Providers& owner, Connection& connection) : owner_(owner), connection_(connection) {}

  void on_binary(const std::string&) override {}
  void on_text(const std::string& message) override {
    owner_.note_text(message);
    const auto json = Json::parse(message);
    const auto text = json.at("text").get<std::string>();
    if (text == " ") return;
    const auto timing = owner_.timing();
    if (text.empty()) {
      connection_.text(R"({"isFinal":true,"audio":null})", delay_);
      connection_.close_socket(1000, "", delay_);
      return;
    }
    owner_.tell("voice_text", text);
    delay_ = timing.voice_first;
    const std::size_t chars = kChunkMs / kMsPerChar;
    for (std::size_t at = 0; at < text.size(); at += chars, delay_ += timing.voice_chunk) {
      const auto part = text.substr(at, chars);
      Json alignment;
      for (std::size_t i = 0; i < part.size(); ++i) {
        alignment["chars"].push_back(part.substr(i, 1));
        alignment["charStartTimesMs"].push_back(i * kMsPerChar);
        alignment["charsDurationsMs"].push_back(kMsPerChar);
      }
      auto audio = mulaw_of(part);
      if (at == 0 && owner_.stamp) owner_.stamp(audio, text);
      const Json out = {{"audio", crypto::base64_encode(audio)}, {"alignment", alignment}};
      connection_.text(out.dump(), delay_);  // in order: one queued later would come last
      if (owner_.breaks_midway) {
        connection_.text(Json{{"error", "internal"}, {"message", kBroken}}.dump(), delay_);
        return connection_.close_socket(kInternalError, "", delay_);
      }
      if (at == 0 && owner_.watch)
        connection_.later(delay_, [this, text] { owner_.tell("voice_audio", text); });
    }
  }

 private:
  Providers& owner_;
  Connection& connection_;
  milliseconds delay_{0};
};

class RealtimeSocket final : public Socket {
 public:
  RealtimeSocket(Providers& owner, Connection& connection, Realtime hooks)
      : owner_(owner), connection_(connection), hooks_(std::move(hooks)) {}
  void on_binary(const std::string&) override {}
  void on_text(const std::string& text) override {
    owner_.note_text(text);
    if (hooks_.on_message) return hooks_.on_message(connection_, text);
    const auto type = Json::parse(text).at("type").get<std::string>();
    if (type == "session.update") say({{"type", "session.updated"}});
    if (type == "input_audio_buffer.commit") understand();
    if (type == "response.create") answer();
  }

 private:
  void say(const Json& message) { connection_.text(message.dump()); }
  void understand() {
    const auto item = "item_" + std::to_string(++items_);
    say({{"type", "input_audio_buffer.committed"}, {"item_id", item}});
    say({{"type", "conversation.item.input_audio_transcription.completed"},
         {"item_id", item},
         {"transcript", owner_.next_transcript(0, items_)}});
  }
  void answer() {
    const std::string words = "Hello.";
    const auto id = "resp_" + std::to_string(++items_);
    Json part = {{"response_id", id}, {"item_id", "of_" + id}};
    say({{"type", "response.created"}, {"response", {{"id", id}, {"status", "in_progress"}}}});
    part["type"] = "response.output_audio.delta";
    part["delta"] = crypto::base64_encode(mulaw_of(words));
    say(part);
    part["type"] = "response.output_audio_transcript.delta";
    part["delta"] = words;
    say(part);
    Json done = {{"id", id}, {"status", owner_.breaks_midway ? "failed" : "completed"}};
    if (owner_.breaks_midway) done["status_details"]["error"]["message"] = kBroken;
    say({{"type", "response.done"}, {"response", done}});
  }

  Providers& owner_;
  Connection& connection_;
  const Realtime hooks_;
  int items_ = 0;
};

Providers::Providers(std::uint16_t port)
    : server_([this](Connection& c, const Request& r) { route(c, r); }, port) {}

void Providers::answer(ChatAnswer answer) {
  std::lock_guard lock(mutex_);
  answers_.push_back(std::move(answer));
}
void Providers::hear(std::string transcript) {
  std::lock_guard lock(mutex_);
  transcripts_.push_back(std::move(transcript));
}
void Providers::set_timing(const Timing& timing) {
  std::lock_guard lock(mutex_);
  timing_ = timing;
}
Timing Providers::timing() const {
  std::lock_guard lock(mutex_);
  return timing_;
}
void Providers::set_realtime(Realtime realtime) {
  std::lock_guard lock(mutex_);
  realtime_ = std::move(realtime);
}
void Providers::set_tool(std::function<ChatAnswer(const Request&)> tool) {
  std::lock_guard lock(mutex_);
  tool_ = std::move(tool);
}
void Providers::refuse(int status, int count, std::string fields) {
  std::lock_guard lock(mutex_);
  refuse_status_ = status;
  refuse_count_ = count;
  refuse_fields_ = std::move(fields);
}
std::vector<Request> Providers::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}
std::vector<std::string> Providers::messages() const {
  std::lock_guard lock(mutex_);
  return messages_;
}
std::size_t Providers::audio_bytes() const {
  std::lock_guard lock(mutex_);
  return audio_.size();
}
std::string Providers::audio() const {
  std::lock_guard lock(mutex_);
  return audio_;
}
void Providers::note_text(const std::string& text) {
  if (!keep_log) return;
  std::lock_guard lock(mutex_);
  messages_.push_back(text);
}
void Providers::note_audio(const std::string& bytes) {
  if (!keep_log) return;
  std::lock_guard lock(mutex_);
  audio_ += bytes;
}

std::string Providers::next_transcript(int connection, int utterance) {
  std::lock_guard lock(mutex_);
  if (transcripts_.empty())
    return hear_default ? hear_default(connection, utterance) : std::string("something");
  auto words = transcripts_.front();
  transcripts_.pop_front();
  return words;
}

void Providers::route(Connection& connection, const Request& request) {
  int refused = 0;
  std::string fields;
  int number = 0;
  Realtime realtime;
  std::function<ChatAnswer(const Request&)> tool;
  {
    std::lock_guard lock(mutex_);
    if (keep_log) requests_.push_back(request);
    if (refuse_count_ > 0) {
      --refuse_count_;
      refused = refuse_status_;
      fields = refuse_fields_;
    }
    number = ++sockets_;
    realtime = realtime_;
    tool = tool_;
  }
  if (refused != 0)
    return connection.respond(refused, "application/json",
                              R"({"error":{"message":"refused by the test"}})", fields);
  const auto path = request.path();
  if (path.ends_with("/chat/completions")) return chat(connection, request);
  if (path.ends_with("/audio/speech")) return speech(connection, request);
  if (path.ends_with("/audio/transcriptions")) return transcription(connection);
  if (path == "/v1/listen") {
    return connection.upgrade(request, std::make_unique<DeepgramSocket>(*this, connection, number));
  }
  if (path == "/vosk")
    return connection.upgrade(request, std::make_unique<VoskSocket>(*this, connection));
  if (path.ends_with("/stream-input"))
    return connection.upgrade(request, std::make_unique<ElevenSocket>(*this, connection));
  if (path == "/v1/realtime") {
    connection.upgrade(request, std::make_unique<RealtimeSocket>(*this, connection, realtime));
    if (realtime.on_open) realtime.on_open(connection);
    return;
  }
  if (path.starts_with("/tools/") && tool) {
    const auto answer = tool(request);
    if (!answer.hangs)
      connection.respond(answer.status, "application/json", answer.raw, answer.fields);
    return;
  }
  connection.respond(404, "application/json", R"({"error":{"message":"no such path"}})");
}

void Providers::chat(Connection& connection, const Request& request) {
  tell("chat_request", request.body);
  ChatAnswer answer;
  bool scripted = false;
  {
    std::lock_guard lock(mutex_);
    if (!answers_.empty()) {
      answer = answers_.front();
      answers_.pop_front();
      scripted = true;
    }
  }
  if (!scripted && chat_default) answer = chat_default(request.body);
  if (answer.status != 200)
    return connection.respond(answer.status, "application/json", answer.raw, answer.fields);
  if (!answer.raw.empty())
    return connection.respond(200, answer.raw_type, answer.raw, answer.fields);
  const auto t = timing();
  connection.begin_chunked("text/event-stream", t.chat_first);
  auto after = t.chat_first;
  for (const auto& chunk : chunks_of(answer)) {
    connection.chunk(chunk, after);
    if (watch && chunk.find("content") != std::string::npos)
      connection.later(after, [this, chunk] { tell("chat_piece", chunk); });
    after += t.chat_piece;
  }
  if (answer.hangs) return;
  if (breaks_midway) answer.error = kBroken;
  if (!answer.error.empty()) {
    connection.chunk(sse({{"error", {{"message", answer.error}}}}), after);
  } else {
    const char* finish = answer.calls.empty() ? "stop" : "tool_calls";
    connection.chunk(sse(chunk_of(Json::object(), finish)), after);
    connection.chunk(": a comment\r\n\r\ndata: [DONE]\r\n\r\n", after);
  }
  connection.end_chunked(after);
}

/// PCM of 24 kHz in chunks of an odd size.
void Providers::speech(Connection& connection, const Request& request) {
  const auto text = Json::parse(request.body).at("input").get<std::string>();
  tell("voice_text", text);
  const auto t = timing();
  std::string pcm;
  for (std::size_t i = 0; i < text.size() * kMsPerChar * 24; ++i) pcm += "\x10\x20";
  constexpr std::size_t kOdd = kChunkMs * 24 * 2 + 1;
  auto after = t.voice_first;
  connection.begin_chunked("audio/pcm", after);
  for (std::size_t at = 0; at < pcm.size(); at += kOdd, after += t.voice_chunk) {
    connection.chunk(pcm.substr(at, kOdd), after);
    if (breaks_midway) return connection.garble();
  }
  connection.end_chunked(after);
}

void Providers::transcription(Connection& connection) {
  if (breaks_midway)
    return connection.respond(200, "application/json", R"({"segments":[{"text":" half)");
  const auto words = next_transcript(0, 0);
  const Json segments = {
      {{"id", 0}, {"text", " " + words}, {"avg_logprob", -0.2}, {"no_speech_prob", 0.01}},
      {{"id", 1},
       {"text", " Thanks for watching!"},
       {"avg_logprob", -1.5},
       {"no_speech_prob", 0.9}}};
  connection.respond(200, "application/json", Json{{"text", words}, {"segments", segments}}.dump(),
                     {}, timing().transcript);
}

}  // namespace call::fakes
