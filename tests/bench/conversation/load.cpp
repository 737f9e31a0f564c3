// Callers of the conversation benchmark: so many media streams at once, each with a caller who waits
// for the agent to finish, says a sentence, and interrupts every third answer. Plays what it is sent
// by a 20 ms clock, so that what was heard is known exactly.
//
//   conversation_load URL CALLS SECONDS
//
// One JSON line an event, with "t" in microseconds of the monotonic clock, then a summary.
#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/net/ws_client.hpp"
#include "core/runtime/loop.hpp"
#include "core/runtime/timer.hpp"
#include "core/sim/playback.hpp"
#include "core/sim/stream_protocol.hpp"
#include "tests/bench/barge_in/sounds.hpp"

using namespace call;
using Json = nlohmann::json;
using std::chrono::milliseconds;

namespace {

constexpr std::int64_t kFrameUs = 20'000;
constexpr int kInterruptEvery = 3;
constexpr int kInterruptAfterMs = 1500;  ///< of the agent's voice

std::int64_t now_us() {
  const auto since = MonoClock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

struct Line {
  audio::Mulaw mulaw;  ///< whole frames
  std::int64_t onset_us = 0;
};

/// What callers say, in four voices.
std::vector<Line> lines() {
  std::vector<Line> all;
  for (const auto& sound : bench::interruptions()) {
    Line line{audio::mulaw_encode(audio::PcmView(sound.pcm)),
              static_cast<std::int64_t>(sound.onset) * 125};
    while (line.mulaw.size() % audio::kFrameSamples != 0) {
      line.mulaw.push_back(audio::kMulawSilence);
    }
    all.push_back(std::move(line));
  }
  return all;
}

struct Shared {
  std::mutex mutex;
  std::vector<Json> events;
  std::size_t ended = 0;
  std::condition_variable changed;
  std::atomic<bool> over = false;  ///< the callers hang up now
  void note(Json event) {
    std::lock_guard lock(mutex);
    events.push_back(std::move(event));
  }
};

class Caller final : public net::WsHandler {
 public:
  Caller(Shared& shared, int number, const std::vector<Line>& lines, runtime::Loop& loop)
      : shared_(shared),
        number_(number),
        lines_(lines),
        sid_("CA" + std::to_string(100000 + number)),
        writer_({"AC1", sid_, "MZ" + std::to_string(number)}),
        timer_(loop) {}

  void on_open(net::WsConnection& connection) override {
    connection_ = &connection;
    connection.send_text(sim::StreamWriter::connected());
    carrier::twiml::Stream stream;
    stream.parameters = {{"agent", "bench"}};
    connection.send_text(writer_.start(stream));
    started_ = MonoClock::now();
    timer_.every(milliseconds(20), [this] { tick(); });
  }

  void on_text(std::string_view message) override {
    const auto command = sim::parse_command(message, "MZ" + std::to_string(number_));
    if (!command) return note("bad_message");
    if (const auto* media = std::get_if<sim::MediaCommand>(&*command)) {
      if (media->mulaw.starts_with("turn-"))
        note("media", {{"turn", media->mulaw.substr(0, media->mulaw.find(' '))}});
      playback_.enqueue(
          {reinterpret_cast<const std::uint8_t*>(media->mulaw.data()), media->mulaw.size()});
    } else if (const auto* mark = std::get_if<sim::MarkCommand>(&*command)) {
      if (playback_.mark(mark->name)) connection_->send_text(writer_.mark(mark->name));
    } else {
      Json clear = {{"heard_ms", heard_ms_}};
      if (std::exchange(interrupting_, false)) clear["onset"] = onset_us_;
      note("clear", std::move(clear));
      for (const auto& name : playback_.clear().marks) connection_->send_text(writer_.mark(name));
    }
  }
  void on_binary(std::string_view) override {}
  void on_close(const net::WsClose& close) override {
    timer_.cancel();
    if (!shared_.over) note("lost", {{"why", close.reason}});
    std::lock_guard lock(shared_.mutex);
    ++shared_.ended;
    shared_.changed.notify_all();
  }

 private:
  void note(const char* what, Json fields = Json::object()) {
    fields["what"] = what;
    fields["call"] = number_;
    fields["t"] = now_us();
    shared_.note(std::move(fields));
  }

  /// As many frames as the clock says, so that a late timer loses none.
  void tick() {
    const auto due = (MonoClock::now() - started_) / milliseconds(20);
    for (; frames_ < due; ++frames_) step();
  }

  void step() {
    const auto heard = playback_.tick();
    for (const auto& name : heard.marks) connection_->send_text(writer_.mark(name));
    if (heard.gap) note("gap", {{"ms", heard.gap->length.count()}});
    if (heard.played > 0) {
      if (silent_ms_ >= 200) heard_ms_ = 0;
      heard_ms_ += static_cast<int>(heard.played / 8);
      silent_ms_ = 0;
      ever_heard_ = true;
    } else {
      silent_ms_ += 20;
    }
    decide();
    audio::MulawFrame frame;
    frame.fill(audio::kMulawSilence);
    if (speaking()) {
      // The frame's first sample was spoken a frame before it is sent.
      if (said_ == 0) onset_us_ = now_us() - kFrameUs + line_->onset_us;
      std::copy_n(line_->mulaw.begin() + static_cast<std::ptrdiff_t>(said_), frame.size(),
                  frame.begin());
      said_ += frame.size();
      if (!speaking()) {
        note("said");
        playback_.callee_took_turn();
      }
    }
    connection_->send_text(writer_.media(milliseconds(frames_ * 20), frame));
  }

  bool speaking() const { return line_ != nullptr && said_ < line_->mulaw.size(); }

  void decide() {
    if (speaking()) return;
    const bool interrupts = turns_ % kInterruptEvery == kInterruptEvery - 1;
    const bool speaks_now = interrupts ? silent_ms_ == 0 && heard_ms_ >= kInterruptAfterMs
                                       : ever_heard_ && silent_ms_ == 600 + 20 * (number_ % 20);
    if (!speaks_now) return;
    line_ = &lines_[static_cast<std::size_t>(number_ + turns_) % lines_.size()];
    ++turns_;
    said_ = 0;
    interrupting_ = interrupts;
    playback_.callee_took_turn();
  }

  Shared& shared_;
  const int number_;
  const std::vector<Line>& lines_;
  const Line* line_ = nullptr;  ///< being said, or said last
  const std::string sid_;
  sim::StreamWriter writer_;
  sim::Playback playback_;
  runtime::Timer timer_;
  net::WsConnection* connection_ = nullptr;
  MonoClock::time_point started_{};
  std::int64_t frames_ = 0;
  std::size_t said_ = 0;  ///< bytes of line_
  int turns_ = 0;
  int heard_ms_ = 0;
  int silent_ms_ = 1000;
  std::int64_t onset_us_ = 0;
  bool ever_heard_ = false;
  bool interrupting_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5)
    return std::fprintf(stderr, "usage: conversation_load URL CALLS SECONDS FIRST\n"), 2;
  const auto url = net::parse_url(argv[1]);
  const int calls = std::stoi(argv[2]);
  const int seconds = std::stoi(argv[3]);
  const int first = std::stoi(argv[4]);  // calls are numbered from here
  if (!url) return std::fprintf(stderr, "%s\n", url.error().to_string().c_str()), 2;
  const auto words = lines();
  Shared shared;
  runtime::Loop loop("callers");
  std::vector<net::WsHandle> handles;
  const auto wait = [&](milliseconds span, auto done) {
    std::unique_lock lock(shared.mutex);
    return shared.changed.wait_for(lock, span, done);
  };
  for (int i = 0; i < calls; ++i) {
    auto caller = std::make_unique<Caller>(shared, first + i, words, loop);
    handles.push_back(net::ws_connect(loop, *url, {}, std::move(caller)));
    wait(milliseconds(20), [] { return false; });  // 50 calls a second
  }
  wait(std::chrono::seconds(seconds), [&] { return shared.ended > 0; });
  shared.over = true;
  for (const auto& handle : handles)
    handle.post([](net::WsConnection& connection) { connection.close(1000, ""); });
  wait(std::chrono::seconds(10), [&] { return shared.ended == static_cast<std::size_t>(calls); });
  loop.stop();
  loop.join();
  for (const auto& event : shared.events) std::printf("%s\n", event.dump().c_str());
  return 0;
}
