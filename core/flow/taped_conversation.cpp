#include "core/flow/taped_conversation.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/flow/news_text.hpp"
#include "core/json/json.hpp"
#include "core/media/tape_text.hpp"
#include "core/record/call_record.hpp"

namespace call::flow {
namespace {

using namespace handler_tape;

constexpr std::size_t kPortion = 16U << 10;

class TappedEars final : public Ears {
 public:
  TappedEars(std::unique_ptr<Ears> ears, HandlerTape& tape) : ears_(std::move(ears)), tape_(tape) {}
  void start() override { ears_->start(); }
  void push(audio::PcmView pcm) override { ears_->push(pcm); }
  speech::Transcript finish() override {
    auto transcript = ears_->finish();
    tape_.put(kTranscript, transcript_json(transcript));
    return transcript;
  }

 private:
  std::unique_ptr<Ears> ears_;
  HandlerTape& tape_;
};

}  // namespace

void HandlerTape::put(char kind, std::string_view bytes) {
  if (!sink_) return;
  writer_.put(kind, 0, bytes);
  flush(kPortion);
}

void HandlerTape::put_number(char kind, std::int64_t number) {
  if (!sink_) return;
  writer_.put_number(kind, 0, number);
  flush(kPortion);
}

void HandlerTape::flush(std::size_t least) {
  if (!sink_ || writer_.waiting() < least) return;
  if (!sink_(writer_.take())) sink_ = nullptr;
}

void HandlerTape::begin(std::string_view agent_toml) {
  put(kAgent, agent_toml);
}

Port HandlerTape::tap(Port port) {
  if (!sink_) return port;
  Port tapped;
  tapped.send = [this, send = std::move(port.send)](media::Command command) {
    put(kDecided, media::describe(command));
    send(std::move(command));
  };
  tapped.is_current = [this, ask = std::move(port.is_current)](media::Generation generation) {
    const bool current = ask(generation);
    put_number(kCurrent, current ? 1 : 0);
    return current;
  };
  tapped.clock_ms = [this, read = std::move(port.clock_ms)] {
    const auto now = read();
    put_number(kClock, now);
    return now;
  };
  return tapped;
}

std::unique_ptr<Ears> HandlerTape::tap(std::unique_ptr<Ears> ears) {
  if (!sink_) return ears;
  return std::make_unique<TappedEars>(std::move(ears), *this);
}

Speak HandlerTape::tap(Speak speak) {
  if (!sink_) return speak;
  return [this, speak = std::move(speak)](std::string_view text,
                                          const speech::Synthesizer::Sink& sink) {
    put(kSpeak, text);
    const auto spoken = speak(text, [&](audio::PcmView pcm) {
      put(kAudio, {reinterpret_cast<const char*>(pcm.data()), pcm.size_bytes()});
      return sink(pcm);
    });
    put(kSpoken, status_bytes(spoken));
    return spoken;
  };
}

Note HandlerTape::note() {
  return [this](const std::string& line) { put(kAsked, line); };
}

Connect HandlerTape::tap(Connect connect) {
  put_number(kCanConnect, connect ? 1 : 0);
  if (!sink_ || !connect) return connect;
  return [this, connect = std::move(connect)](const std::string& number) {
    put(kAsked, "connect with " + number);
    const auto done = connect(number);
    put(kConnected, status_bytes(done));
    return done;
  };
}

void HandlerTape::news(const speech::EngineEvent& news) {
  if (sink_) put(kNews, encode_news(news));
}

void HandlerTape::event(const media::Event& event) {
  put(kEvent, media::describe(event));
}

void HandlerTape::due() {
  put(kDue);
}

void HandlerTape::end(const media::HandlerReport& report) {
  put(kReport, report_text(report));
  flush(1);
}

std::string report_text(const media::HandlerReport& report) {
  record::CallRecord record;
  record.turns = report.turns;
  record.waterfalls = report.waterfalls;
  record.answers = report.answers;
  record.outcome = report.outcome;
  record.counters.false_barge_ins = report.false_barge_ins;
  return json::dump(record::to_json(record));
}

std::string status_bytes(const Status& status) {
  std::string bytes;
  record::append_number(bytes, status ? 0 : 1 + static_cast<int>(status.error().code));
  if (!status) bytes += status.error().context;
  return bytes;
}

Status status_from(std::string_view bytes) {
  const auto code = record::take_number(bytes).value_or(0);
  if (code == 0) return {};
  return Error{static_cast<Errc>(code - 1), std::string(bytes)};
}

std::string transcript_json(const speech::Transcript& transcript) {
  Json json{{"text", transcript.text},
            {"confidence", transcript.confidence},
            {"accepted", transcript.accepted},
            {"audio_ms", transcript.audio.count()},
            {"words", Json::array()}};
  for (const auto& word : transcript.words) {
    json["words"].push_back(
        {{"text", word.text}, {"start_ms", word.start.count()}, {"end_ms", word.end.count()}});
  }
  return json::dump(json);
}

Result<speech::Transcript> transcript_from(std::string_view text) {
  using std::chrono::milliseconds;
  CALL_TRY(const Json json, json::parse(text, {}, "a transcript on the tape"));
  speech::Transcript transcript;
  CALL_TRY(transcript.text, json::get_string(json, "text"));
  CALL_TRY(transcript.confidence, json::get_number(json, "confidence"));
  CALL_TRY(transcript.accepted, json::get_bool(json, "accepted"));
  CALL_TRY(const auto audio, json::get_int(json, "audio_ms"));
  transcript.audio = milliseconds(audio);
  CALL_TRY(const Json words, json::get_array(json, "words"));
  for (const auto& item : words) {
    speech::TimedWord word;
    CALL_TRY(word.text, json::get_string(item, "text"));
    CALL_TRY(const auto start, json::get_int(item, "start_ms"));
    CALL_TRY(const auto end, json::get_int(item, "end_ms"));
    word.start = milliseconds(start);
    word.end = milliseconds(end);
    transcript.words.push_back(std::move(word));
  }
  return transcript;
}

}  // namespace call::flow
