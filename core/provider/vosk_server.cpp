#include "core/provider/vosk_server.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"
#include "core/speech/vosk_reply.hpp"

namespace call::provider {
namespace {

constexpr std::size_t kMaxOnTheWay = 8;
/// Exactly so: the server compares the text. It answers with a final result and goes on.
constexpr std::string_view kReset = R"({"reset" : 1})";

Json config_of(const Endpoint& endpoint) {
  Json config = {{"sample_rate", audio::kSampleRate}, {"words", true}, {"max_alternatives", 0}};
  for (const auto& [name, value] : endpoint.extra) {
    auto parsed = json::parse(value);
    config[name] = parsed ? std::move(*parsed) : Json(value);
  }
  return {{"config", std::move(config)}};
}

}  // namespace

/// On the loop.
class VoskListener::Stream final : public ListenerStream {
 public:
  Stream(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink)
      : ListenerStream(host, endpoint, std::move(sink), options_of(*endpoint)) {}

 private:
  enum class Kind { audio, reset, flush };
  struct OnTheWay {
    Kind kind = Kind::audio;
    std::uint64_t epoch = 0;  ///< of begin()
    std::uint32_t flush = 0;
    std::size_t until = 0;  ///< of a flush: the end of what it is about, in the utterance
  };
  struct Message {
    OnTheWay what;
    std::string bytes;
  };

  static ChannelOptions options_of(const Endpoint& endpoint) {
    ChannelOptions options;
    options.url = endpoint.url;
    if (!endpoint.key.empty())
      options.headers.add("Authorization", "Bearer " + endpoint.key.reveal());
    return options;
  }

  void on_connected() override {
    on_the_way_.clear();
    to_send_.clear();
    segment_.clear();
    words_.resize(segment_words_);  // the others come again
    heard_anything_ = false;
    channel_->send_text(json::dump(config_of(*endpoint_)));  // the one message without a reply
  }

  void on_begin() override {
    said_.clear();
    segment_.clear();
    partial_.clear();
    segment_words_ = 0;
    if (heard_anything_) to_send_.push_back({{Kind::reset, epoch_}, {}});
    heard_anything_ = false;
    ++epoch_;
    pump();
  }

  void send_audio(audio::PcmView pcm) override {
    heard_anything_ = true;
    std::string bytes;
    for (const auto sample : pcm) {
      const auto value = static_cast<std::uint16_t>(sample);
      bytes += static_cast<char>(value & 0xffU);
      bytes += static_cast<char>(value >> 8U);
    }
    // While replies are awaited audio gathers into one message.
    const bool more = !to_send_.empty() && to_send_.back().what.kind == Kind::audio &&
                      to_send_.back().what.epoch == epoch_;
    if (more) {
      to_send_.back().bytes += bytes;
    } else {
      to_send_.push_back({{Kind::audio, epoch_}, std::move(bytes)});
    }
    pump();
  }

  void ask_for_words() override {
    to_send_.push_back({{Kind::flush, epoch_, flush_.value_or(0), kept_until()}, {}});
    heard_anything_ = false;
    pump();
  }

  std::string words_so_far() const override { return partial_; }

  void pump() {
    while (channel_->up() && on_the_way_.size() < kMaxOnTheWay && !to_send_.empty()) {
      const auto message = std::move(to_send_.front());
      to_send_.pop_front();
      const bool sent = message.what.kind == Kind::audio ? channel_->send_binary(message.bytes)
                                                         : channel_->send_text(kReset);
      if (!sent) return;
      on_the_way_.push_back(message.what);
    }
  }

  void on_text(std::string_view message) override {
    auto reply = speech::parse_vosk(message);
    if (!reply) return channel_->drop(reply.error());
    if (on_the_way_.empty()) return;  // nobody asked
    channel_->useful();
    const auto asked = on_the_way_.front();
    on_the_way_.pop_front();
    take(asked, *reply);
    pump();
  }

  void take(const OnTheWay& asked, speech::VoskReply& reply) {
    if (asked.epoch != epoch_ || asked.kind == Kind::reset) return;
    if (reply.is_final) {
      append_words(segment_, reply.text);
      keep_words(std::move(reply.words));
      if (!reply.text.empty()) confidence_ = std::min(confidence_, reply.confidence);
    }
    if (asked.kind == Kind::flush) {
      append_words(said_, segment_);
      segment_.clear();
      drop_kept_until(asked.until);
      segment_words_ = words_.size();
      if (flush_ == asked.flush) answer(said_);
      return;
    }
    partial_ = said_;
    append_words(partial_, segment_);
    if (!reply.is_final) append_words(partial_, reply.text);
    tell_partial(partial_);
  }

  std::uint64_t epoch_ = 0;
  std::string said_;               ///< behind flushes
  std::string segment_;            ///< finals since the last flush
  std::size_t segment_words_ = 0;  ///< where their words begin
  std::string partial_;
  bool heard_anything_ = false;  ///< since the last reset
  std::deque<Message> to_send_;
  std::deque<OnTheWay> on_the_way_;
};

VoskListener::VoskListener(Host& host, std::shared_ptr<const Endpoint> endpoint,
                           speech::EngineSink sink)
    : StreamingListener(host,
                        std::make_shared<Stream>(host, std::move(endpoint), std::move(sink))) {}

}  // namespace call::provider
