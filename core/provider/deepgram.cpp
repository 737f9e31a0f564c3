#include "core/provider/deepgram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/json/json.hpp"
#include "core/provider/channel.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

/// The server closes after 10 s without audio or this.
constexpr milliseconds kKeepAlive{4000};
constexpr milliseconds kTick{1000};
/// Audio of one utterance that is kept for another connection.
constexpr std::size_t kMaxKept = 30U * 8000U;
/// The server's times are rounded.
constexpr std::int64_t kToleranceMs = 20;

std::string_view as_bytes(audio::MulawView mulaw) {
  return {reinterpret_cast<const char*>(mulaw.data()), mulaw.size()};
}

void append_words(std::string& text, std::string_view more) {
  if (more.empty()) return;
  if (!text.empty()) text += ' ';
  text += more;
}

}  // namespace

Result<DeepgramResult> parse_deepgram(std::string_view message) {
  CALL_TRY(const auto json, json::parse(message, {}, "Deepgram's message"));
  if (!json.is_object()) return Error{Errc::protocol, "Deepgram's message is no object"};
  DeepgramResult result;
  const auto type = json::get_string_or(json, "type", "").value_or("");
  if (type == "Error" || type == "FatalError") {
    result.error = json::get_string_or(json, "description", "").value_or("");
    if (result.error.empty()) result.error = json::get_string_or(json, "message", "").value_or("");
    if (result.error.empty()) result.error = "no reason given";
  }
  if (type != "Results") return result;
  result.is_result = true;
  result.is_final = json::get_bool_or(json, "is_final", false).value_or(false);
  result.from_finalize = json::get_bool_or(json, "from_finalize", false).value_or(false);
  const auto start = json::get_number_or(json, "start", 0).value_or(0);
  const auto duration = json::get_number_or(json, "duration", 0).value_or(0);
  constexpr double kDay = 86400;
  result.end_ms = static_cast<std::int64_t>(std::clamp(start + duration, 0.0, kDay) * 1000.0 + 0.5);
  const Json* best = json::find(json, "channel.alternatives.0");
  if (best == nullptr) return result;
  result.text = json::get_string_or(*best, "transcript", "").value_or("");
  result.confidence = json::get_number_or(*best, "confidence", 0).value_or(0);
  return result;
}

net::Url deepgram_url(const Endpoint& endpoint) {
  auto url = endpoint.url;
  std::vector<std::pair<std::string, std::string>> query = {
      {"model", endpoint.model.empty() ? "nova-3" : endpoint.model},
      {"encoding", "mulaw"},
      {"sample_rate", "8000"},
      {"channels", "1"},
      {"interim_results", "true"},
      {"endpointing", "false"},
      {"punctuate", "true"}};
  if (!endpoint.language.empty()) query.emplace_back("language", endpoint.language);
  for (const auto& [name, value] : query) {
    const bool replaced =
        std::ranges::any_of(endpoint.extra, [&](const auto& own) { return own.first == name; });
    if (!replaced) add_query(url, name, value);
  }
  for (const auto& [name, value] : endpoint.extra) add_query(url, name, value);
  return url;
}

/// The connection and what has been said over it. On the loop.
class DeepgramListener::Stream final : public Channel::Owner,
                                       public std::enable_shared_from_this<Stream> {
 public:
  Stream(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink)
      : endpoint_(std::move(endpoint)),
        sink_(std::move(sink)),
        tick_(host.loop()),
        late_(host.loop()) {
    ChannelOptions options;
    options.url = deepgram_url(*endpoint_);
    options.connect_timeout = endpoint_->connect_timeout;
    if (!endpoint_->key.empty())
      options.headers.add("Authorization", "Token " + endpoint_->key.reveal());
    channel_ = Channel::make(host, std::move(options),
                             host.breaker("listen " + origin_of(endpoint_->url)));
  }

  void start() {
    channel_->open(*this);
    tick_.every(kTick, [this] { keep_alive(); });
  }
  void stop() {
    channel_->send_text(R"({"type":"CloseStream"})");
    channel_->close();
    tick_.cancel();
    late_.cancel();
  }

  void begin(speech::RequestId utterance) {
    late_.cancel();
    if (flush_) ++owed_;
    utterance_ = utterance;
    flush_.reset();
    finals_.clear();
    partial_.clear();
    confidence_ = 1;
    kept_.clear();
    kept_from_ms_ = utterance_from_ms_ = sent_ms_;
  }

  void push(const audio::Mulaw& mulaw) {
    if (kept_.size() + mulaw.size() <= kMaxKept)
      kept_.insert(kept_.end(), mulaw.begin(), mulaw.end());
    if (channel_->up()) send_audio(mulaw);
  }

  void flush(std::uint32_t number) {
    if (flush_) ++owed_;
    flush_ = number;
    late_.after(endpoint_->answer_timeout, [this] { too_late(); });
    if (channel_->up()) finalize();
  }

 private:
  void send_audio(audio::MulawView mulaw) {
    channel_->send_binary(as_bytes(mulaw));
    sent_ms_ += audio::duration_of(mulaw.size()).count();
    last_sent_ = MonoClock::now();
  }

  /// When everything that was sent is final already the server has nothing left to say.
  void finalize() {
    const bool covered =
        owed_ == 0 && !finals_.empty() && final_until_ms_ + kToleranceMs >= sent_ms_;
    if (covered) return answer();
    channel_->send_text(R"({"type":"Finalize"})");
  }

  void keep_alive() {
    if (MonoClock::now() - last_sent_ < kKeepAlive) return;
    if (channel_->send_text(R"({"type":"KeepAlive"})")) last_sent_ = MonoClock::now();
  }

  void on_up() override {
    sent_ms_ = 0;
    final_until_ms_ = 0;
    owed_ = 0;
    kept_from_ms_ = utterance_from_ms_ = 0;
    last_sent_ = MonoClock::now();
    if (!kept_.empty()) send_audio(kept_);
    if (flush_) finalize();
  }

  void on_down(const Error& error, bool again) override {
    last_error_ = error;
    if (!again && flush_) fail(error);
  }

  void on_binary(std::string_view) override {}
  void on_text(std::string_view message) override {
    auto result = parse_deepgram(message);
    if (!result) return channel_->drop(result.error());
    if (!result->error.empty()) last_error_ = {Errc::unavailable, "Deepgram: " + result->error};
    if (!result->is_result) return;
    const bool ours = result->end_ms > utterance_from_ms_ + kToleranceMs;
    if (ours && result->is_final) {
      keep_final(*result);
    } else if (ours) {
      partial_ = result->text;
    }
    if (result->from_finalize) {
      if (owed_ > 0) {
        --owed_;
      } else if (flush_) {
        return answer();
      }
    }
    auto text = finals_;
    append_words(text, partial_);
    if (ours && !text.empty()) sink_(speech::PartialText{utterance_, std::move(text)});
  }

  void keep_final(const DeepgramResult& result) {
    partial_.clear();
    append_words(finals_, result.text);
    if (!result.text.empty()) confidence_ = std::min(confidence_, result.confidence);
    final_until_ms_ = std::max(final_until_ms_, result.end_ms);
    const auto covered = audio::samples_in(milliseconds(result.end_ms - kept_from_ms_));
    const auto drop = std::min(covered, kept_.size());
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(drop));
    kept_from_ms_ += audio::duration_of(drop).count();
  }

  void answer() {
    late_.cancel();
    const auto number = std::exchange(flush_, std::nullopt).value_or(0);
    auto text = finals_;
    append_words(text, partial_);
    sink_(speech::FinalText{utterance_, number, std::move(text), confidence_});
  }

  /// Better the words that we have than none.
  void too_late() {
    if (!finals_.empty() || !partial_.empty()) {
      ++owed_;
      return answer();
    }
    const bool up = channel_->up();
    fail(up ? Error{Errc::timeout, "no transcript from " + origin_of(endpoint_->url) + " in time"}
            : last_error_);
    // A connection that says nothing is of no use.
    if (up) channel_->drop({Errc::timeout, "no transcript in time"});
  }

  void fail(const Error& error) {
    late_.cancel();
    flush_.reset();
    sink_(speech::ListeningFailed{utterance_, error});
  }

  const std::shared_ptr<const Endpoint> endpoint_;
  const speech::EngineSink sink_;
  std::shared_ptr<Channel> channel_;
  runtime::Timer tick_;
  runtime::Timer late_;
  speech::RequestId utterance_ = 0;
  std::optional<std::uint32_t> flush_;  ///< not answered yet
  int owed_ = 0;  ///< answers to Finalize messages that nobody waits for any more
  std::string finals_;
  std::string partial_;
  double confidence_ = 1;
  audio::Mulaw kept_;                   ///< audio without a final result yet
  std::int64_t kept_from_ms_ = 0;       ///< its beginning, on this connection
  std::int64_t utterance_from_ms_ = 0;  ///< on this connection
  std::int64_t sent_ms_ = 0;            ///< on this connection
  std::int64_t final_until_ms_ = 0;
  MonoClock::time_point last_sent_{};
  Error last_error_{Errc::unavailable, "not connected yet"};
};

DeepgramListener::DeepgramListener(Host& host, std::shared_ptr<const Endpoint> endpoint,
                                   speech::EngineSink sink)
    : host_(host), stream_(std::make_shared<Stream>(host, std::move(endpoint), std::move(sink))) {
  host_.loop().post([stream = stream_] { stream->start(); });
}

DeepgramListener::~DeepgramListener() {
  host_.loop().post([stream = stream_] { stream->stop(); });
}

void DeepgramListener::begin(speech::RequestId utterance) {
  host_.loop().post([stream = stream_, utterance] { stream->begin(utterance); });
}

void DeepgramListener::push(audio::PcmView pcm) {
  host_.loop().post([stream = stream_, mulaw = audio::mulaw_encode(pcm)] { stream->push(mulaw); });
}

void DeepgramListener::flush(std::uint32_t number) {
  host_.loop().post([stream = stream_, number] { stream->flush(number); });
}

}  // namespace call::provider
