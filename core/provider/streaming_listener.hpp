// What recognisers over a kept WebSocket have in common: the audio of the present utterance is kept
// until it is understood, so that another connection can be told it again; a request for the words
// has a deadline; and the engine's members only post to the loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider/channel.hpp"
#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/runtime/timer.hpp"
#include "core/speech/engines.hpp"

namespace call::provider {

void append_words(std::string& text, std::string_view more);

/// The connection of one call and what has been said over it. On the loop; speaks no protocol itself.
class ListenerStream : public Channel::Owner {
 public:
  /// `options` without limits and time-outs, which are the endpoint's.
  ListenerStream(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink,
                 ChannelOptions options);

  virtual void start() { channel_->open(*this); }
  virtual void stop();
  void begin(speech::RequestId utterance);
  void push(audio::PcmView pcm);
  void flush(std::uint32_t number);

 protected:
  /// Audio of one utterance that is kept for another connection.
  static constexpr std::size_t kMaxKept = 30U * 8000U;

  // ---- the protocol

  /// A new connection: nothing has been said over it. The kept audio is sent again behind this.
  virtual void on_connected() = 0;
  virtual void on_disconnected() {}
  virtual void on_begin() = 0;
  virtual void send_audio(audio::PcmView pcm) = 0;
  /// Asks for the words of the utterance so far; answer() gives them.
  virtual void ask_for_words() = 0;
  /// Better than none, when the answer does not come.
  virtual std::string words_so_far() const = 0;

  // ---- what it is given

  /// The answer to the request for words that is open.
  void answer(std::string text);
  /// Words that are final, with their times on this connection.
  void keep_words(std::vector<speech::TimedWord> words);
  /// The first `samples` of the kept audio are understood and need not be sent again.
  void drop_kept(std::size_t samples);
  /// The same, counted from the utterance's beginning.
  void drop_kept_until(std::size_t sample) { drop_kept(sample - std::min(sample, dropped_)); }
  /// Where the kept audio ends, counted so.
  std::size_t kept_until() const { return dropped_ + kept_.size(); }
  /// Audio that has been sent over this connection.
  std::size_t sent() const { return sent_; }
  /// Where the utterance begins on this connection; below 0 when a part of it went over another one.
  std::int64_t origin() const { return origin_; }
  void tell_partial(std::string text);

  const std::shared_ptr<const Endpoint> endpoint_;
  std::shared_ptr<Channel> channel_;
  speech::RequestId utterance_ = 0;
  std::optional<std::uint32_t> flush_;    ///< not answered yet
  double confidence_ = 1;                 ///< of the least certain part of the utterance
  audio::Pcm kept_;                       ///< for another connection
  std::vector<speech::TimedWord> words_;  ///< of the utterance, final ones
  Error last_error_{Errc::unavailable, "not connected yet"};

 private:
  void on_up() final;
  void on_down(const Error& error, bool soon) final;
  void on_binary(std::string_view) final {}
  void send(audio::PcmView pcm);
  void too_late();
  void fail(const Error& error);

  std::size_t sent_ = 0;
  std::int64_t origin_ = 0;
  std::size_t dropped_ = 0;  ///< off the front of the kept audio
  const speech::EngineSink sink_;
  runtime::Timer late_;
};

class StreamingListener : public speech::Listener {
 public:
  /// Connects at once. `host` must outlive it. Members: one thread.
  StreamingListener(Host& host, std::shared_ptr<ListenerStream> stream);
  ~StreamingListener() override;

  void begin(speech::RequestId utterance) final;
  void push(audio::PcmView pcm) final;
  void flush(std::uint32_t number) final;

 private:
  Host& host_;
  const std::shared_ptr<ListenerStream> stream_;
};

}  // namespace call::provider
