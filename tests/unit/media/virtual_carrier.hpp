// A carrier on a virtual clock for tests of the session: it plays what it is sent 20 ms at a time,
// echoes marks, obeys clear, and sends a frame of the callee's audio every 20 ms.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto/base64.hpp"
#include "core/media/taped_session.hpp"

namespace call::media::test {

/// Hears speech in everything that is not silence.
class LoudVad final : public speech::Vad {
 public:
  float push(audio::PcmView pcm) noexcept override {
    for (const auto sample : pcm) {
      if (sample > 1000 || sample < -1000) return 1;
    }
    return 0;
  }
  void reset() noexcept override {}
};

class VirtualCarrier {
 public:
  using Time = MonoClock::time_point;

  explicit VirtualCarrier(const SessionOptions& options = {}, bool with_tape = false)
      : tuning(options.tuning), taped(options, Time(std::chrono::hours(1)), with_tape) {}

  void text(const std::string& message) {
    taped.on_message(message, now, out);
    take();
  }
  void command(Command c) {
    taped.on_command(std::move(c), now, out);
    take();
  }
  void end(std::string_view reason) {
    taped.end(reason, now, out);
    take();
  }
  void start(Session::Mode mode = Session::Mode::conversation) {
    text(R"({"event":"connected","protocol":"Call","version":"1.0.0"})");
    text(
        R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","customParameters":{"agent":"x"}}})");
    taped.accept(mode, std::make_unique<LoudVad>(), tuning, now);
  }

  /// Lets `ms` pass, with the callee speaking or silent.
  void run(int ms, bool speaks = false) {
    for (int t = 0; t < ms && !session.ended(); t += 20) step(speaks);
  }

  void say(Generation generation, int ms, bool interruptible = true) {
    command(BeginSpeech{generation, interruptible});
    command(AddSpeech{generation, audio::Mulaw(static_cast<std::size_t>(ms) * 8, 0x20)});
    command(EndSpeech{generation});
  }

  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const auto& event : events) {
      if (const auto* e = std::get_if<T>(&event)) found.push_back(*e);
    }
    return found;
  }
  template <class T>
  std::optional<T> last() const {
    const auto found = all<T>();
    return found.empty() ? std::nullopt : std::optional<T>(found.back());
  }
  /// Index of the first event of this kind, or -1.
  template <class T>
  int first_index() const {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (std::holds_alternative<T>(events[i])) return static_cast<int>(i);
    }
    return -1;
  }

  Time now{std::chrono::hours(1)};
  const CallTuning tuning;
  TapedSession taped;
  const Session& session = taped.session();
  Session::Output out;
  std::vector<Event> events;
  std::vector<std::string> sent;  ///< messages of the session
  std::vector<RecordedBlock> recorded;
  int heard_ms = 0;  ///< of the agent, in truth
  int clears = 0;
  bool echoes_marks = true;
  int mark_delay_ms = 0;
  int queued_ms = 0;                             ///< of the agent, not yet heard
  std::map<Generation, int> heard_by_utterance;  ///< samples, in truth
  Generation newest_mark = 0;
  Generation cleared_up_to = 0;  ///< utterances whose marks had come before the last clear
  bool sends_media = true;
  std::int64_t timestamp_ms = 0;

 private:
  struct Item {
    std::size_t samples = 0;
    std::string mark;
    Generation generation = 0;
  };
  static Generation generation_of(const std::string& mark) {
    return static_cast<Generation>(std::stoul(mark.substr(1)));
  }

  void step(bool speaks) {
    now += std::chrono::milliseconds(20);
    while (!late_marks_.empty() && late_marks_.front().first <= now) {
      const std::string mark = late_marks_.front().second;
      late_marks_.pop_front();
      echo(mark);
    }
    play();
    if (sends_media) {
      const std::string payload = crypto::base64_encode(std::string(160, speaks ? '\x20' : '\xff'));
      text(
          R"({"event":"media","streamSid":"MZ1","media":{"track":"inbound","chunk":"1","timestamp":")" +
          std::to_string(timestamp_ms) + R"(","payload":")" + payload + "\"}}");
    }
    timestamp_ms += 20;
    if (++steps_ % 2 == 0) {
      taped.on_tick(now, out);
      take();
    }
  }

  void play() {
    std::size_t room = 160;
    while (!queue_.empty() && (room > 0 || queue_.front().samples == 0)) {
      Item& item = queue_.front();
      const auto part = std::min(room, item.samples);
      item.samples -= part;
      room -= part;
      heard_by_utterance[item.generation] += static_cast<int>(part);
      queued_ms -= static_cast<int>(part / 8);
      if (item.samples > 0) break;
      const std::string mark = item.mark;
      queue_.pop_front();
      if (mark.empty() || !echoes_marks) continue;
      if (mark_delay_ms == 0 && late_marks_.empty()) {
        echo(mark);
      } else {
        late_marks_.emplace_back(now + std::chrono::milliseconds(mark_delay_ms), mark);
      }
    }
    heard_ms += static_cast<int>(160 - room) / 8;
  }
  void echo(const std::string& mark) {
    text(R"({"event":"mark","streamSid":"MZ1","mark":{"name":")" + mark + "\"}}");
  }

  void take() {
    for (auto& event : out.events) events.push_back(std::move(event));
    for (auto& block : out.recorded) recorded.push_back(std::move(block));
    const auto messages = std::move(out.messages);
    out.messages.clear();
    out.events.clear();
    out.recorded.clear();
    for (const auto& message : messages) receive(message);
  }

  void receive(const std::string& message) {
    sent.push_back(message);
    const auto json = nlohmann::json::parse(message);
    const auto event = json.at("event").get<std::string>();
    if (event == "media") {
      const auto bytes = crypto::base64_decode(json.at("media").at("payload").get<std::string>());
      queue_.push_back({bytes->size(), "", 0});
      queued_ms += static_cast<int>(bytes->size() / 8);
    } else if (event == "mark") {
      const auto name = json.at("mark").at("name").get<std::string>();
      newest_mark = generation_of(name);
      for (auto& item : queue_) {
        if (item.generation == 0) item.generation = newest_mark;
      }
      queue_.push_back({0, name, newest_mark});
    } else {
      ++clears;
      cleared_up_to = newest_mark;
      queued_ms = 0;
      auto pending = std::move(queue_);
      queue_.clear();
      for (const auto& item : pending) {
        if (!item.mark.empty()) echo(item.mark);  // as Twilio does
      }
    }
  }

  std::deque<Item> queue_;
  std::deque<std::pair<Time, std::string>> late_marks_;
  int steps_ = 0;
};

}  // namespace call::media::test
