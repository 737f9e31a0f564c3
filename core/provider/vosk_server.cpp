#include "core/provider/vosk_server.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"
#include "core/provider/channel.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxOnTheWay = 8;
constexpr std::size_t kMaxKept = 30U * 8000U;
/// Exactly so: the server compares the text. It answers with a final result and goes on.
constexpr std::string_view kReset = R"({"reset" : 1})";

void append_words(std::string& text, std::string_view more) {
  if (more.empty()) return;
  if (!text.empty()) text += ' ';
  text += more;
}

Json config_of(const Endpoint& endpoint) {
  Json config = {{"sample_rate", audio::kSampleRate}, {"words", true}, {"max_alternatives", 0}};
  for (const auto& [name, value] : endpoint.extra) {
    auto parsed = json::parse(value);
    config[name] = parsed ? std::move(*parsed) : Json(value);
  }
  return {{"config", std::move(config)}};
}

}  // namespace

Result<VoskReply> parse_vosk(std::string_view message) {
  CALL_TRY(const auto json, json::parse(message, {}, "vosk-server's reply"));
  if (!json.is_object()) return Error{Errc::protocol, "vosk-server's reply is no object"};
  VoskReply reply;
  reply.is_final = json.contains("text");
  reply.text = json::get_string_or(json, reply.is_final ? "text" : "partial", "").value_or("");
  const Json* words = json::find(json, "result");
  for (std::size_t i = 0; words != nullptr && words->is_array() && i < words->size(); ++i) {
    const double confidence = json::get_number_or((*words)[i], "conf", 1).value_or(1);
    reply.confidence = std::min(reply.confidence, confidence);
  }
  return reply;
}

/// On the loop.
class VoskListener::Stream final : public Channel::Owner {
 public:
  Stream(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink)
      : endpoint_(std::move(endpoint)), sink_(std::move(sink)), late_(host.loop()) {
    ChannelOptions options;
    options.url = endpoint_->url;
    options.connect_timeout = endpoint_->connect_timeout;
    if (!endpoint_->key.empty())
      options.headers.add("Authorization", "Bearer " + endpoint_->key.reveal());
    channel_ = Channel::make(host, std::move(options),
                             host.breaker("listen " + origin_of(endpoint_->url)));
  }

  void start() { channel_->open(*this); }
  void stop() {
    late_.cancel();
    channel_->close();
  }

  void begin(speech::RequestId utterance) {
    late_.cancel();
    utterance_ = utterance;
    flush_.reset();
    said_.clear();
    segment_.clear();
    confidence_ = 1;
    kept_.clear();
    if (heard_anything_) to_send_.push_back({Kind::reset, {}});
    heard_anything_ = false;
    ++epoch_;
    pump();
  }

  void push(audio::PcmView pcm) {
    if (kept_.size() + pcm.size() <= kMaxKept) kept_.insert(kept_.end(), pcm.begin(), pcm.end());
    if (!channel_->up()) return;
    send_audio(pcm);
  }

  void flush(std::uint32_t number) {
    flush_ = number;
    flushed_ = kept_.size();
    late_.after(endpoint_->answer_timeout, [this] { too_late(); });
    if (channel_->up()) send_flush();
  }

 private:
  enum class Kind { audio, reset, flush };
  struct Message {
    Kind kind = Kind::audio;
    std::string bytes;
  };
  struct OnTheWay {
    Kind kind = Kind::audio;
    std::uint64_t epoch = 0;  ///< of begin()
    std::uint32_t flush = 0;
  };

  void send_audio(audio::PcmView pcm) {
    heard_anything_ = true;
    std::string bytes;
    for (const auto sample : pcm) {
      const auto value = static_cast<std::uint16_t>(sample);
      bytes += static_cast<char>(value & 0xffU);
      bytes += static_cast<char>(value >> 8U);
    }
    // While replies are awaited audio gathers into one message.
    if (!to_send_.empty() && to_send_.back().kind == Kind::audio) {
      to_send_.back().bytes += bytes;
    } else {
      to_send_.push_back({Kind::audio, std::move(bytes)});
    }
    pump();
  }

  void send_flush() {
    to_send_.push_back({Kind::flush, {}});
    heard_anything_ = false;
    pump();
  }

  void pump() {
    while (channel_->up() && on_the_way_.size() < kMaxOnTheWay && !to_send_.empty()) {
      const auto message = std::move(to_send_.front());
      to_send_.pop_front();
      const bool sent = message.kind == Kind::audio ? channel_->send_binary(message.bytes)
                                                    : channel_->send_text(kReset);
      if (!sent) return;
      on_the_way_.push_back({message.kind, epoch_, flush_.value_or(0)});
    }
  }

  void on_up() override {
    on_the_way_.clear();
    to_send_.clear();
    segment_.clear();
    heard_anything_ = false;
    channel_->send_text(json::dump(config_of(*endpoint_)));  // the one message without a reply
    if (!kept_.empty()) send_audio(kept_);
    if (flush_) send_flush();
  }

  void on_down(const Error& error, bool again) override {
    last_error_ = error;
    if (!again && flush_) fail(error);
  }

  void on_binary(std::string_view) override {}
  void on_text(std::string_view message) override {
    auto reply = parse_vosk(message);
    if (!reply) return channel_->drop(reply.error());
    if (on_the_way_.empty()) return;  // nobody asked
    const auto asked = on_the_way_.front();
    on_the_way_.pop_front();
    take(asked, *reply);
    pump();
  }

  void take(const OnTheWay& asked, const VoskReply& reply) {
    if (asked.epoch != epoch_ || asked.kind == Kind::reset) return;
    if (reply.is_final) {
      append_words(segment_, reply.text);
      if (!reply.text.empty()) confidence_ = std::min(confidence_, reply.confidence);
    }
    if (asked.kind == Kind::flush) {
      append_words(said_, segment_);
      segment_.clear();
      const auto done = std::min(flushed_, kept_.size());
      kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(done));
      flushed_ = 0;
      if (flush_ == asked.flush) answer(said_);
      return;
    }
    partial_ = said_;
    append_words(partial_, segment_);
    if (!reply.is_final) append_words(partial_, reply.text);
    if (!partial_.empty()) sink_(speech::PartialText{utterance_, partial_});
  }

  void answer(const std::string& text) {
    late_.cancel();
    const auto number = std::exchange(flush_, std::nullopt).value_or(0);
    sink_(speech::FinalText{utterance_, number, text, confidence_});
  }

  /// Better the words that we have than none.
  void too_late() {
    if (!partial_.empty()) return answer(partial_);
    const bool up = channel_->up();
    fail(up ? Error{Errc::timeout, "no transcript from " + origin_of(endpoint_->url) + " in time"}
            : last_error_);
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
  runtime::Timer late_;
  speech::RequestId utterance_ = 0;
  std::uint64_t epoch_ = 0;
  std::optional<std::uint32_t> flush_;  ///< not answered yet
  std::string said_;                    ///< behind flushes
  std::string segment_;                 ///< finals since the last flush
  std::string partial_;
  double confidence_ = 1;
  audio::Pcm kept_;              ///< since the last answered flush, for another connection
  std::size_t flushed_ = 0;      ///< of kept_, before the flush that is awaited
  bool heard_anything_ = false;  ///< since the last reset
  std::deque<Message> to_send_;
  std::deque<OnTheWay> on_the_way_;
  Error last_error_{Errc::unavailable, "not connected yet"};
};

VoskListener::VoskListener(Host& host, std::shared_ptr<const Endpoint> endpoint,
                           speech::EngineSink sink)
    : host_(host), stream_(std::make_shared<Stream>(host, std::move(endpoint), std::move(sink))) {
  host_.loop().post([stream = stream_] { stream->start(); });
}

VoskListener::~VoskListener() {
  host_.loop().post([stream = stream_] { stream->stop(); });
}

void VoskListener::begin(speech::RequestId utterance) {
  host_.loop().post([stream = stream_, utterance] { stream->begin(utterance); });
}

void VoskListener::push(audio::PcmView pcm) {
  host_.loop().post(
      [stream = stream_, copy = audio::Pcm(pcm.begin(), pcm.end())] { stream->push(copy); });
}

void VoskListener::flush(std::uint32_t number) {
  host_.loop().post([stream = stream_, number] { stream->flush(number); });
}

}  // namespace call::provider
