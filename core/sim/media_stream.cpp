#include "core/sim/media_stream.hpp"

#include <utility>

#include "core/carrier/signature.hpp"
#include "core/net/ws_client.hpp"

namespace call::sim {
namespace {

constexpr std::uint16_t kNormalClosure = 1000;

/// Twilio's error for a connection that ended or never came about.
Warning cause_of(const net::WsClose& close, bool was_open) {
  if (!was_open) {
    if (close.http_status != 0)
      return {31920, "the handshake was answered " + std::to_string(close.http_status)};
    return {31902, "no connection: " + close.reason};
  }
  if (close.by == net::WsClose::By::peer)
    return {31921, "closed by the server, code " + std::to_string(close.code)};
  return {31903, "connection lost: " + close.reason};
}

}  // namespace

/// Hands the connection's events to the stream as long as there is one.
class MediaStream::Socket final : public net::WsHandler {
 public:
  explicit Socket(std::weak_ptr<MediaStream> stream) : stream_(std::move(stream)) {}

  void on_open(net::WsConnection& connection) override {
    if (const auto stream = stream_.lock())
      stream->opened(connection);
    else
      connection.close(kNormalClosure, "");
  }
  void on_text(std::string_view message) override {
    if (const auto stream = stream_.lock()) stream->received(message);
  }
  void on_binary(std::string_view) override {
    if (const auto stream = stream_.lock()) stream->received("");  // no such thing: invalid
  }
  void on_close(const net::WsClose& close) override {
    if (const auto stream = stream_.lock()) stream->closed(close);
  }

 private:
  std::weak_ptr<MediaStream> stream_;
};

std::optional<Warning> find_stream_fault(const carrier::twiml::Stream& stream) {
  const auto url = net::parse_url(stream.url);
  if (!url) return Warning{31920, "Stream url: " + url.error().context};
  if (!url->query.empty()) return Warning{31920, "Stream url: a query string is not allowed"};
  const bool secure = url->scheme == "wss";
  if (!secure && !(url->scheme == "ws" && net::is_loopback(url->host)))
    return Warning{31920, "Stream url: must be wss://"};
  if (!stream.track.empty() && stream.track != "inbound_track")
    return Warning{31920, "Stream track: a bidirectional stream has the inbound track only"};
  return std::nullopt;
}

MediaStream::MediaStream(StreamOwner& owner, carrier::twiml::Stream twiml, StreamIdentity identity,
                         Caller& caller, Meter& meter, MediaClock& clock)
    : owner_(&owner),
      twiml_(std::move(twiml)),
      identity_(std::move(identity)),
      caller_(caller),
      meter_(meter),
      clock_(clock),
      writer_(identity_) {}

void MediaStream::open(runtime::Loop& loop, const Secret& token,
                       std::function<std::int64_t()> call_ms) {
  call_ms_ = std::move(call_ms);
  const auto url = net::parse_url(twiml_.url);
  CALL_ASSERT(url.ok());  // find_stream_fault() has looked
  net::Headers headers{{"X-Twilio-Signature", carrier::sign(token, twiml_.url)},
                       {"Sec-WebSocket-Protocol", "audio.twilio.com"},
                       {"User-Agent", "Twilio.TmeWs/1.0"}};
  net::WsClientOptions options;
  options.limits.max_message_bytes = 16U << 20;  // "any size"
  handle_ = net::ws_connect(loop, url.value(), std::move(headers),
                            std::make_unique<Socket>(weak_from_this()), options);
}

void MediaStream::opened(net::WsConnection& connection) {
  if (!owner_) return connection.close(kNormalClosure, "");
  connection_ = &connection;
  send(StreamWriter::connected());
  send(writer_.start(twiml_));
  meter_.begin_stream(call_ms_());
  clock_.add(shared_from_this());
  owner_->on_stream_started();
}

void MediaStream::stop() {
  if (!std::exchange(owner_, nullptr)) return;
  clock_.remove(*this);
  if (connection_) {
    meter_.end_stream(playback_.now());
    send(writer_.stop());
    connection_->close(kNormalClosure, "");
  } else {
    handle_.post([](net::WsConnection& connection) { connection.close(kNormalClosure, ""); });
  }
}

void MediaStream::closed(const net::WsClose& close) {
  const bool was_open = std::exchange(connection_, nullptr) != nullptr;
  clock_.remove(*this);
  auto* owner = std::exchange(owner_, nullptr);
  if (!owner) return;
  if (was_open) meter_.end_stream(playback_.now());
  owner->on_stream_ended(cause_of(close, was_open));
}

void MediaStream::step(bool late) {
  const auto at = playback_.now();
  const auto tick = playback_.tick();
  for (const auto& mark : tick.marks) echo(mark);
  const auto frame = caller_.step(tick.frame);
  if (frame.began || frame.ended || !frame.pressed.empty()) playback_.callee_took_turn();
  send(writer_.media(at, frame.said));
  for (const char digit : frame.pressed) send(writer_.dtmf(digit));
  meter_.frame(at, tick, frame, playback_.sounding(), late);
  if (frame.hang_up && owner_) owner_->on_callee_hung_up(frame.hang_up);
}

void MediaStream::received(std::string_view message) {
  if (!owner_) return;
  auto command = parse_command(message, identity_.stream_sid);
  if (!command) return warn_once(warned_invalid_, 31951, command.error().context);
  if (const auto* media = std::get_if<MediaCommand>(&*command)) {
    play(*media);
  } else if (auto* mark = std::get_if<MarkCommand>(&*command)) {
    meter_.marked(playback_.now(), mark->name, false);
    if (playback_.mark(mark->name)) echo(mark->name);
  } else {
    const auto cleared = playback_.clear();
    meter_.cleared(playback_.now(), cleared);
    for (const auto& name : cleared.marks) echo(name);
  }
}

void MediaStream::play(const MediaCommand& media) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(media.mulaw.data());
  if (playback_.enqueue({bytes, media.mulaw.size()}) < media.mulaw.size())
    warn_once(warned_overflow_, 31931,
              "more than 10 minutes of audio are waiting; the rest is lost");
}

void MediaStream::echo(const std::string& mark) {
  meter_.marked(playback_.now(), mark, true);
  send(writer_.mark(mark));
}

void MediaStream::send(std::string_view message) {
  if (connection_ && connection_->send_text(message) == net::Send::full)
    warn_once(warned_congestion_, 31930, "the server reads too slowly; audio is lost");
}

void MediaStream::warn_once(bool& said, int code, std::string_view text) {
  if (!std::exchange(said, true) && owner_) owner_->on_stream_warning({code, std::string(text)});
}

}  // namespace call::sim
