#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/audio/resampler.hpp"
#include "core/json/json.hpp"
#include "core/provider/openai_speech.hpp"
#include "core/runtime/timer.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

constexpr int kServiceRate = 24000;  // of "pcm"
constexpr std::size_t kMaxInFlight = 2;
constexpr std::size_t kMaxErrorBody = 16U << 10;
constexpr milliseconds kLongestSentence{60000};

net::HttpRequest request_of(const Endpoint& endpoint, const std::string& text) {
  Json body = {{"model", endpoint.model},
               {"input", text},
               {"voice", endpoint.voice},
               {"response_format", "pcm"}};
  for (const auto& [name, value] : endpoint.extra) body[name] = value;
  net::HttpRequest request;
  request.method = "POST";
  request.headers.add("Content-Type", "application/json");
  if (!endpoint.key.empty())
    request.headers.add("Authorization", "Bearer " + endpoint.key.reveal());
  request.body = json::dump(body);
  return request;
}

}  // namespace

void SampleReader::feed(std::string_view bytes, audio::Pcm& out) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (odd_) out.push_back(static_cast<std::int16_t>(low_ | (byte << 8U)));
    low_ = byte;
    odd_ = !odd_;
  }
}

/// One utterance: its sentences, in order, and the audio that comes for them. On the loop.
class OpenAiVoice::Utterance final : public VoiceUtterance,
                                     public std::enable_shared_from_this<Utterance> {
 public:
  using VoiceUtterance::VoiceUtterance;

  void add(const std::string& text) override {
    if (over_) return;
    chars_ += text.size();
    sentences_.push_back(std::make_shared<Sentence>(*this, text, chars_));
    start_some();
  }
  void end() override {
    no_more_ = true;
    if (!over_ && sentences_.empty()) finish();
  }
  void stop() override {
    over_ = true;
    for (const auto& sentence : sentences_) sentence->call.cancel();
    sentences_.clear();
  }

 private:
  struct Sentence final : net::HttpReceiver {
    Sentence(Utterance& o, std::string t, std::size_t end)
        : owner(o.weak_from_this()), text(std::move(t)), chars_end(end) {}

    void on_head(const net::HttpResponse& head) override { status = head.status; }
    void on_body(std::string_view piece) override {
      if (status / 100 == 2) {
        reader.feed(piece, waiting);
      } else if (error_body.size() < kMaxErrorBody) {
        error_body += piece.substr(0, kMaxErrorBody - error_body.size());
      }
      if (const auto o = owner.lock()) o->deliver();
    }
    void on_end() override {
      complete = true;
      const auto o = owner.lock();
      if (!o) return;
      if (status / 100 != 2) {
        const auto error = error_of(status, error_body, o->origin());
        return o->fail(error, error.code == Errc::unavailable);
      }
      o->deliver();
    }
    void on_error(const Error& error) override {
      if (const auto o = owner.lock()) o->fail(error, true);
    }

    const std::weak_ptr<Utterance> owner;
    const std::string text;
    const std::size_t chars_end;
    net::HttpStreams::Handle call;
    SampleReader reader;
    audio::Pcm waiting;  ///< at the service's rate
    std::string error_body;
    int status = 0;
    bool started = false;
    bool complete = false;
  };

  void start_some() {
    for (std::size_t i = 0; i < sentences_.size() && i < kMaxInFlight && !over_; ++i) {
      const auto sentence = sentences_[i];
      if (sentence->started) continue;
      sentence->started = true;
      if (!service_.breaker->admit()) {
        return fail({Errc::unavailable, origin() + " has failed several times in a row"}, false);
      }
      net::HttpStreamLimits limits;
      limits.connect = service_.endpoint->connect_timeout;
      limits.head = service_.endpoint->answer_timeout;
      limits.silence = service_.endpoint->silence_timeout;
      limits.total = kLongestSentence;
      sentence->call = service_.host.http().start(
          with_path(service_.endpoint->url, "/audio/speech"),
          request_of(*service_.endpoint, sentence->text), limits, sentence);
    }
  }

  /// Passes on what has come for the sentence that is due; the ones behind it wait.
  void deliver() {
    while (!over_ && !sentences_.empty()) {
      const auto sentence = sentences_.front();
      pcm_.clear();
      resampler_.push(sentence->waiting, pcm_);
      sentence->waiting.clear();
      if (sentence->complete) resampler_.finish(pcm_);
      speech::SpokenAudio audio{id_, audio::mulaw_encode(pcm_), {}};
      samples_ += pcm_.size();
      if (sentence->complete)
        audio.marks.push_back({sentence->chars_end, audio::duration_of(samples_).count()});
      if (!audio.mulaw.empty() || !audio.marks.empty()) service_.sink(std::move(audio));
      if (!sentence->complete) return;
      service_.breaker->succeeded();
      sentences_.pop_front();
      start_some();
    }
    if (!over_ && no_more_) finish();
  }

  void finish() {
    over_ = true;
    service_.sink(speech::SpeakingDone{id_});
  }

  void fail(const Error& error, bool is_failure) {
    if (over_) return;
    stop();
    if (is_failure) service_.breaker->failed();
    service_.sink(speech::SpeakingFailed{id_, error});
  }

  std::deque<std::shared_ptr<Sentence>> sentences_;
  audio::Resampler resampler_{kServiceRate, audio::kSampleRate};
  audio::Pcm pcm_;  ///< scratch
  std::size_t chars_ = 0;
  std::size_t samples_ = 0;
  bool no_more_ = false;
  bool over_ = false;
};

std::shared_ptr<VoiceUtterance> OpenAiVoice::make_utterance(const VoiceService& service,
                                                            speech::RequestId id) {
  return std::make_shared<Utterance>(service, id);
}

}  // namespace call::provider
