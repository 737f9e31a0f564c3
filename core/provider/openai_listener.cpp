#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/provider/openai_speech.hpp"

namespace call::provider {
namespace {

constexpr std::size_t kMaxUtterance = 60U * 8000U;
constexpr std::size_t kMaxAnswer = 1U << 20;
/// Whisper makes up text in silence; these are the bounds that its own code uses.
constexpr double kNoSpeech = 0.6;
constexpr double kDoubtful = -1.0;

void append_le(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

std::string wav_of(audio::PcmView pcm) {
  const auto bytes = static_cast<std::uint32_t>(pcm.size() * 2);
  std::string out = "RIFF";
  append_le(out, 36 + bytes, 4);
  out += "WAVEfmt ";
  append_le(out, 16, 4);
  append_le(out, 1, 2);  // PCM
  append_le(out, 1, 2);  // mono
  append_le(out, audio::kSampleRate, 4);
  append_le(out, audio::kSampleRate * 2, 4);
  append_le(out, 2, 2);
  append_le(out, 16, 2);
  out += "data";
  append_le(out, bytes, 4);
  for (const auto sample : pcm) append_le(out, static_cast<std::uint16_t>(sample), 2);
  return out;
}

}  // namespace

std::string transcription_body(const Endpoint& endpoint, audio::PcmView pcm,
                               std::string_view boundary) {
  std::string body;
  const auto field = [&](std::string_view name, std::string_view value) {
    body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n",
                        boundary, name, value);
  };
  if (!endpoint.model.empty()) field("model", endpoint.model);
  if (!endpoint.language.empty()) field("language", endpoint.language);
  field("response_format", "verbose_json");
  for (const auto& [name, value] : endpoint.extra) field(name, value);
  body += fmt::format(
      "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"speech.wav\"\r\n"
      "Content-Type: audio/wav\r\n\r\n",
      boundary);
  body += wav_of(pcm);
  body += fmt::format("\r\n--{}--\r\n", boundary);
  return body;
}

Result<speech::FinalText> parse_transcription(std::string_view body) {
  CALL_TRY(const auto json, json::parse(body, {}, "the transcription"));
  speech::FinalText result;
  result.words = speech::timed_words(json::find(json, "words"), "word");
  const Json* segments = json::find(json, "segments");
  if (segments == nullptr || !segments->is_array() || segments->empty()) {
    CALL_TRY(auto text, json::get_string(json, "text"));
    result.text = trim(text);
    return result;
  }
  for (const auto& segment : *segments) {
    const double no_speech = json::get_number_or(segment, "no_speech_prob", 0).value_or(0);
    const double log_probability = json::get_number_or(segment, "avg_logprob", 0).value_or(0);
    if (no_speech > kNoSpeech && log_probability < kDoubtful) continue;
    const auto text = json::get_string_or(segment, "text", "").value_or("");
    if (!result.text.empty()) result.text += ' ';
    result.text += trim(text);
  }
  return result;
}

class OpenAiListener::Request final : public net::HttpReceiver {
 public:
  Request(std::shared_ptr<Breaker> breaker, speech::EngineSink sink, speech::RequestId utterance,
          std::uint32_t flush, std::string service)
      : breaker_(std::move(breaker)),
        sink_(std::move(sink)),
        utterance_(utterance),
        flush_(flush),
        service_(std::move(service)) {}

  void on_head(const net::HttpResponse& head) override { status_ = head.status; }
  void on_body(std::string_view piece) override {
    body_ += piece.substr(0, kMaxAnswer - std::min(kMaxAnswer, body_.size()));
  }
  void on_end() override {
    if (status_ / 100 != 2) return fail(error_of(status_, body_, service_));
    auto text = parse_transcription(body_);
    if (!text) return fail({Errc::protocol, service_ + ": " + text.error().context});
    breaker_->succeeded();
    text->utterance = utterance_;
    text->flush = flush_;
    sink_(std::move(*text));
  }
  void on_error(const Error& error) override { fail(error); }

  net::HttpStreams::Handle call;

 private:
  void fail(const Error& error) {
    breaker_->failed();
    sink_(speech::ListeningFailed{utterance_, flush_, error});
  }

  const std::shared_ptr<Breaker> breaker_;
  const speech::EngineSink sink_;
  const speech::RequestId utterance_;
  const std::uint32_t flush_;
  const std::string service_;
  std::string body_;
  int status_ = 0;
};

OpenAiListener::OpenAiListener(Host& host, std::shared_ptr<const Endpoint> endpoint,
                               speech::EngineSink sink)
    : host_(host),
      endpoint_(std::move(endpoint)),
      breaker_(host.breaker("listen " + origin_of(endpoint_->url))),
      sink_(std::move(sink)) {}

OpenAiListener::~OpenAiListener() {
  cancel();
}

void OpenAiListener::cancel() {
  if (request_) request_->call.cancel();
  request_.reset();
}

void OpenAiListener::begin(speech::RequestId utterance) {
  cancel();
  utterance_ = utterance;
  pcm_.clear();
}

void OpenAiListener::push(audio::PcmView pcm) {
  if (pcm_.size() + pcm.size() <= kMaxUtterance) pcm_.insert(pcm_.end(), pcm.begin(), pcm.end());
}

void OpenAiListener::flush(std::uint32_t number) {
  cancel();
  if (pcm_.empty()) return sink_(speech::FinalText{utterance_, number, "", 0, {}});
  const auto service = origin_of(endpoint_->url);
  if (!breaker_->admit()) {
    return sink_(speech::ListeningFailed{
        utterance_, number, {Errc::unavailable, service + " has failed several times in a row"}});
  }
  const auto boundary = "calld-" + random_hex(12);
  net::HttpRequest request;
  request.method = "POST";
  request.headers.add("Content-Type", "multipart/form-data; boundary=" + boundary);
  if (!endpoint_->key.empty())
    request.headers.add("Authorization", "Bearer " + endpoint_->key.reveal());
  request.body = transcription_body(*endpoint_, pcm_, boundary);
  net::HttpStreamLimits limits;
  limits.connect = endpoint_->connect_timeout;
  limits.head = endpoint_->answer_timeout;
  limits.silence = endpoint_->silence_timeout;
  limits.total = endpoint_->answer_timeout + endpoint_->silence_timeout;
  request_ = std::make_shared<Request>(breaker_, sink_, utterance_, number, service);
  request_->call = host_.http().start(with_path(endpoint_->url, "/audio/transcriptions"),
                                      std::move(request), limits, request_);
}

}  // namespace call::provider
