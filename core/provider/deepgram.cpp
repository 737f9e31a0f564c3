#include "core/provider/deepgram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/json/json.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

/// The server closes after 10 s without audio or this.
constexpr milliseconds kKeepAlive{4000};
constexpr milliseconds kTick{1000};
/// The server's times are rounded.
constexpr std::int64_t kToleranceMs = 20;
/// A Finalize need not be answered when little was left to say. Nothing more came for this long, and
/// for as long as what was left lasts: that was all.
constexpr milliseconds kSettled{1000};
/// So much audio the server does not pass over in silence: then it is the server that is not well.
constexpr std::int64_t kNeverPassedOverMs = 3000;

std::string_view as_bytes(audio::MulawView mulaw) {
  return {reinterpret_cast<const char*>(mulaw.data()), mulaw.size()};
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
  const Json* words = json::find(*best, "words");
  const bool punctuated = json::find(*best, "words.0.punctuated_word") != nullptr;
  result.words = speech::timed_words(words, punctuated ? "punctuated_word" : "word");
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

/// On the loop.
class DeepgramListener::Stream final : public ListenerStream {
 public:
  Stream(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink)
      : ListenerStream(host, endpoint, std::move(sink), options_of(*endpoint)),
        tick_(host.loop()),
        settled_(host.loop()) {}

  void start() override {
    ListenerStream::start();
    tick_.every(kTick, [this] { keep_alive(); });
  }
  void stop() override {
    tick_.cancel();
    settled_.cancel();
    channel_->send_text(R"({"type":"CloseStream"})");
    ListenerStream::stop();
  }

 private:
  static ChannelOptions options_of(const Endpoint& endpoint) {
    ChannelOptions options;
    options.url = deepgram_url(endpoint);
    if (!endpoint.key.empty())
      options.headers.add("Authorization", "Token " + endpoint.key.reveal());
    return options;
  }

  void on_connected() override {
    final_until_ms_ = heard_until_ms_ = 0;
    asked_ms_ = unwanted_until_ms_ = 0;
    kept_from_ms_ = utterance_from_ms_ = 0;
    last_sent_ = MonoClock::now();
  }

  void on_disconnected() override { settled_.cancel(); }

  void on_begin() override {
    settled_.cancel();
    finals_.clear();
    partial_.clear();
    kept_from_ms_ = utterance_from_ms_ = sent_ms();
  }

  void send_audio(audio::PcmView pcm) override {
    channel_->send_binary(as_bytes(audio::mulaw_encode(pcm)));
    last_sent_ = MonoClock::now();
  }

  void ask_for_words() override {
    if (asked_ms_ < sent_ms()) unwanted_until_ms_ = std::exchange(asked_ms_, sent_ms());
    if (all_is_final()) return answer(words_so_far());
    channel_->send_text(R"({"type":"Finalize"})");
    await_the_rest();
  }

  /// Then the server has nothing left to say.
  bool all_is_final() const { return final_until_ms_ + kToleranceMs >= asked_ms_; }

  void await_the_rest() {
    settled_.cancel();
    const auto left = std::max<std::int64_t>(asked_ms_ - heard_until_ms_, 0);
    if (left > kNeverPassedOverMs) return;  // ListenerStream's own deadline
    settled_.after(std::min(kSettled + milliseconds(left), endpoint_->answer_timeout), [this] {
      if (flush_) answer(words_so_far());
    });
  }

  std::int64_t sent_ms() const { return audio::duration_of(sent()).count(); }

  std::string words_so_far() const override {
    auto text = finals_;
    append_words(text, partial_);
    return text;
  }

  void keep_alive() {
    if (MonoClock::now() - last_sent_ < kKeepAlive) return;
    if (channel_->send_text(R"({"type":"KeepAlive"})")) last_sent_ = MonoClock::now();
  }

  void on_text(std::string_view message) override {
    auto result = parse_deepgram(message);
    if (!result) return channel_->drop(result.error());
    if (!result->error.empty()) last_error_ = {Errc::unavailable, "Deepgram: " + result->error};
    if (!result->is_result) return;
    channel_->useful();
    heard_until_ms_ = std::max(heard_until_ms_, result->end_ms);
    const bool ours = result->end_ms > utterance_from_ms_ + kToleranceMs;
    if (ours && result->is_final) {
      keep_final(*result);
    } else if (ours) {
      partial_ = result->text;
    }
    // Which Finalize was answered tells how far the answer goes.
    const bool the_answer =
        result->from_finalize && result->end_ms > unwanted_until_ms_ + kToleranceMs;
    if (flush_ && (the_answer || all_is_final())) {
      settled_.cancel();
      return answer(words_so_far());
    }
    if (flush_) await_the_rest();
    if (ours) tell_partial(words_so_far());
  }

  void keep_final(DeepgramResult& result) {
    partial_.clear();
    append_words(finals_, result.text);
    keep_words(std::move(result.words));
    if (!result.text.empty()) confidence_ = std::min(confidence_, result.confidence);
    final_until_ms_ = std::max(final_until_ms_, result.end_ms);
    const auto covered = audio::samples_in(milliseconds(result.end_ms - kept_from_ms_));
    const auto drop = std::min(covered, kept_.size());
    drop_kept(drop);
    kept_from_ms_ += audio::duration_of(drop).count();
  }

  runtime::Timer tick_;
  runtime::Timer settled_;
  std::string finals_;
  std::string partial_;
  std::int64_t kept_from_ms_ = 0;       ///< beginning of the kept audio, on this connection
  std::int64_t utterance_from_ms_ = 0;  ///< on this connection
  // All on this connection.
  std::int64_t final_until_ms_ = 0;
  std::int64_t heard_until_ms_ = 0;     ///< final or not
  std::int64_t asked_ms_ = 0;           ///< the end of what the last Finalize was about
  std::int64_t unwanted_until_ms_ = 0;  ///< the same of the one before
  MonoClock::time_point last_sent_{};
};

DeepgramListener::DeepgramListener(Host& host, std::shared_ptr<const Endpoint> endpoint,
                                   speech::EngineSink sink)
    : StreamingListener(host,
                        std::make_shared<Stream>(host, std::move(endpoint), std::move(sink))) {}

}  // namespace call::provider
