// One media stream of one call: a WebSocket client that behaves as Twilio does, between a scripted
// caller and the application's media server. On the loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/carrier/twiml.hpp"
#include "core/net/url.hpp"
#include "core/net/ws.hpp"
#include "core/sim/media_clock.hpp"
#include "core/sim/meter.hpp"
#include "core/sim/stream_protocol.hpp"

namespace call::sim {

/// The call that a stream belongs to. Called on the loop; the stream may be let go inside.
class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  virtual void on_stream_started() = 0;
  /// The stream is over, and not because stop() was called.
  virtual void on_stream_ended(const Warning& cause) = 0;
  virtual void on_callee_hung_up(const char* why) = 0;
  virtual void on_stream_warning(const Warning& warning) = 0;
};

/// nullopt when Twilio would open a stream there; otherwise what it would complain about. ws:// is
/// taken on loopback.
std::optional<Warning> find_stream_fault(const carrier::twiml::Stream& stream);

class MediaStream final : public Paced, public std::enable_shared_from_this<MediaStream> {
 public:
  MediaStream(StreamOwner& owner, carrier::twiml::Stream twiml, StreamIdentity identity,
              Caller& caller, Meter& meter, MediaClock& clock);

  /// Connects, with the upgrade signed. `call_ms` tells the call's time.
  void open(runtime::Loop& loop, const Secret& token, std::function<std::int64_t()> call_ms);
  /// The call is over or goes elsewhere: says "stop" and closes. No callback comes after it.
  void stop();
  void step(bool late) override;

  const StreamIdentity& identity() const { return identity_; }
  const carrier::twiml::Stream& twiml() const { return twiml_; }

 private:
  class Socket;
  void opened(net::WsConnection& connection);
  void received(std::string_view message);
  void closed(const net::WsClose& close);
  void play(const MediaCommand& media);
  void send(std::string_view message);
  void echo(const std::string& mark);
  void warn_once(bool& said, int code, std::string_view text);

  StreamOwner* owner_;  ///< null after stop()
  carrier::twiml::Stream twiml_;
  StreamIdentity identity_;
  Caller& caller_;
  Meter& meter_;
  MediaClock& clock_;
  std::function<std::int64_t()> call_ms_;
  StreamWriter writer_;
  Playback playback_;
  net::WsHandle handle_;
  net::WsConnection* connection_ = nullptr;  ///< between opened() and closed()
  bool warned_invalid_ = false;
  bool warned_overflow_ = false;
  bool warned_congestion_ = false;
};

}  // namespace call::sim
