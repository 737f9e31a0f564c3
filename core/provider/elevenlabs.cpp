#include "core/provider/elevenlabs.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"
#include "core/provider/channel.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kSettings = "voice_settings.";
constexpr int kMaxConnections = 2;
constexpr std::size_t kMaxChars = 20000;

net::Url url_of(const Endpoint& endpoint) {
  auto url = with_path(endpoint.url, "/v1/text-to-speech/" + endpoint.voice + "/stream-input");
  if (!endpoint.model.empty()) add_query(url, "model_id", endpoint.model);
  if (!endpoint.language.empty()) add_query(url, "language_code", endpoint.language);
  add_query(url, "output_format", "ulaw_8000");
  add_query(url, "auto_mode", "true");
  add_query(url, "sync_alignment", "true");
  for (const auto& [name, value] : endpoint.extra) {
    if (!name.starts_with(kSettings)) add_query(url, name, value);
  }
  return url;
}

/// The first message: a space, and the voice's settings.
std::string opening_of(const Endpoint& endpoint) {
  Json message = {{"text", " "}};
  for (const auto& [name, value] : endpoint.extra) {
    if (!name.starts_with(kSettings)) continue;
    auto parsed = json::parse(value);
    message["voice_settings"][name.substr(kSettings.size())] =
        parsed ? std::move(*parsed) : Json(value);
  }
  return json::dump(message);
}

}  // namespace

Result<ElevenLabsMessage> parse_elevenlabs(std::string_view text) {
  constexpr std::size_t kMaxMessage = 8U << 20;
  CALL_TRY(const auto json, json::parse(text, {.bytes = kMaxMessage}, "ElevenLabs' message"));
  if (!json.is_object()) return Error{Errc::protocol, "ElevenLabs' message is no object"};
  ElevenLabsMessage message;
  message.is_final = json::get_bool_or(json, "isFinal", false).value_or(false);
  message.error = json::get_string_or(json, "error", "").value_or("");
  if (!message.error.empty()) {
    const auto why = json::get_string_or(json, "message", "").value_or("");
    if (!why.empty()) message.error = why;
  }
  const auto audio = json::get_string_or(json, "audio", "").value_or("");
  if (!audio.empty() && !crypto::base64_decode_into(message.audio, audio))
    return Error{Errc::protocol, "ElevenLabs' audio is no base64"};
  const Json* alignment = json::find(json, "alignment");
  if (alignment == nullptr || !alignment->is_object()) return message;
  const Json* chars = json::find(*alignment, "chars");
  const Json* starts = json::find(*alignment, "charStartTimesMs");
  const Json* spans = json::find(*alignment, "charDurationsMs");
  if (spans == nullptr) spans = json::find(*alignment, "charsDurationsMs");
  for (const auto* list : {chars, starts, spans}) {
    if (list == nullptr || !list->is_array()) return message;
  }
  const auto count = std::min({chars->size(), starts->size(), spans->size(), kMaxChars});
  for (std::size_t i = 0; i < count; ++i) {
    const auto& c = (*chars)[i];
    if (!c.is_string() || !(*starts)[i].is_number() || !(*spans)[i].is_number()) return message;
    const double end = (*starts)[i].get<double>() + (*spans)[i].get<double>();
    if (!(end >= 0 && end < 1e9)) return message;
    message.chars.push_back({c.get<std::string>(), static_cast<std::int64_t>(end)});
  }
  return message;
}

void TextFollower::spoken(std::string_view character) {
  const auto is_space = [](std::string_view c) { return c == " " || c == "\n"; };
  if (is_space(character)) {
    if (position_ < text_.size() && is_space(text_.substr(position_, 1))) ++position_;
    return;
  }
  while (position_ < text_.size() && is_space(text_.substr(position_, 1))) ++position_;
  position_ = std::min(position_ + character.size(), text_.size());
}

/// On the loop.
class ElevenLabsVoice::Utterance final : public VoiceUtterance,
                                         public Channel::Owner,
                                         public std::enable_shared_from_this<Utterance> {
 public:
  Utterance(const VoiceService& service, speech::RequestId id)
      : VoiceUtterance(service, id), timer_(service.host.loop()) {}

  void begin() override { connect(); }

  void add(const std::string& text) override {
    if (over_) return;
    text_.append(text);
    if (std::exchange(parted_, false)) {
      connections_ = 0;
      connect();
    } else if (channel_->up()) {
      send_text(text);
    }
    await_audio(service_.endpoint->answer_timeout);
  }

  void end() override {
    no_more_ = true;
    if (over_) return;
    if (text_.size() == 0 || parted_) return finish();
    if (channel_->up()) channel_->send_text(R"({"text":""})");
    if (!timer_.armed()) await_audio(service_.endpoint->silence_timeout);
  }

  void stop() override {
    over_ = true;
    timer_.cancel();
    if (channel_) channel_->close();
  }

 private:
  void connect() {
    ++connections_;
    ChannelOptions options;
    options.url = url_of(*service_.endpoint);
    options.connect_timeout = service_.endpoint->connect_timeout;
    options.reconnect = false;
    if (!service_.endpoint->key.empty())
      options.headers.add("xi-api-key", service_.endpoint->key.reveal());
    channel_ = Channel::make(service_.host, std::move(options), service_.breaker);
    channel_->open(*this);
  }

  void send_text(std::string_view text) {
    std::string part(text);
    if (!part.ends_with(' ')) part += ' ';
    channel_->send_text(json::dump({{"text", part}}));
  }

  void await_audio(milliseconds limit) {
    timer_.after(limit, [self = shared_from_this()] {
      self->channel_->drop({Errc::timeout, self->origin() + " sent no audio in time"});
    });
  }

  void on_up() override {
    channel_->send_text(opening_of(*service_.endpoint));
    if (!text_.rest().empty()) {
      send_text(text_.rest());
      await_audio(service_.endpoint->answer_timeout);
    }
    if (no_more_) channel_->send_text(R"({"text":""})");
  }

  void on_binary(std::string_view) override {}
  void on_text(std::string_view text) override {
    const auto self = shared_from_this();
    auto message = parse_elevenlabs(text);
    if (!message) return channel_->drop(message.error());
    if (!message->error.empty()) {
      return channel_->drop({Errc::unavailable, origin() + ": " + message->error});
    }
    if (!message->audio.empty()) take(*message);
    if (message->is_final && no_more_ && !over_) finish();
  }

  void take(const ElevenLabsMessage& message) {
    speech::SpokenAudio audio{id_, audio::Mulaw(message.audio.begin(), message.audio.end()), {}};
    const std::int64_t base = audio::duration_of(samples_).count();
    for (const auto& c : message.chars) {
      text_.spoken(c.text);
      const speech::TextMark mark{text_.position(), base + c.end_ms};
      // One a word is enough.
      if (c.text == " " || &c == &message.chars.back()) audio.marks.push_back(mark);
    }
    samples_ += audio.mulaw.size();
    aligned_ = aligned_ || !message.chars.empty();
    service_.sink(std::move(audio));
    if (!owes_nothing()) return await_audio(service_.endpoint->silence_timeout);
    channel_->useful();
    timer_.cancel();
  }

  /// All text so far has been spoken, and more is to come from us.
  bool owes_nothing() const { return aligned_ && !no_more_ && trim(text_.rest()).empty(); }

  void finish() {
    if (text_.size() > 0) channel_->useful();
    stop();
    const auto end = audio::duration_of(samples_).count();
    service_.sink(speech::SpokenAudio{id_, {}, {{text_.size(), end}}});
    service_.sink(speech::SpeakingDone{id_});
  }

  void on_down(const Error& error, bool) override { broken(error); }

  /// Once more with what has not been spoken yet, if that is known.
  void broken(const Error& error) {
    if (over_) return;
    if (owes_nothing()) {  // closed in a long pause: made again with the next words
      parted_ = true;
      return timer_.cancel();
    }
    const bool rest_is_known = samples_ == 0 || aligned_;
    const bool may_pass = error.code != Errc::permission && error.code != Errc::not_found &&
                          error.code != Errc::invalid_argument;
    if (rest_is_known && samples_ > 0 && no_more_ && trim(text_.rest()).empty()) return finish();
    if (may_pass && rest_is_known && connections_ < kMaxConnections) {
      channel_->close();
      return connect();
    }
    stop();
    service_.sink(speech::SpeakingFailed{id_, error});
  }

  runtime::Timer timer_;
  std::shared_ptr<Channel> channel_;
  TextFollower text_;
  std::size_t samples_ = 0;
  int connections_ = 0;
  bool aligned_ = false;
  bool no_more_ = false;
  bool parted_ = false;  ///< from the service, in a pause
  bool over_ = false;
};

std::shared_ptr<VoiceUtterance> ElevenLabsVoice::make_utterance(const VoiceService& service,
                                                                speech::RequestId id) {
  return std::make_shared<Utterance>(service, id);
}

}  // namespace call::provider
