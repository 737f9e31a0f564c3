#include "core/sim/caller.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/audio/g711.hpp"

namespace call::sim {
namespace {

constexpr double kFullScale = 32768.0;

/// Peak of white noise with this level: its root mean square is the peak over the square root of
/// three.
int noise_peak(double dbov) {
  return static_cast<int>(std::lround(kFullScale * std::pow(10.0, dbov / 20.0) * std::sqrt(3.0)));
}

}  // namespace

Caller::Caller(CallerScript script, CallerSounds sounds, std::uint32_t seed)
    : script_(std::move(script)), sounds_(std::move(sounds)) {
  if (script_.noise_dbov) noise_.emplace(noise_peak(*script_.noise_dbov), seed);
}

Caller::Frame Caller::step(const audio::MulawFrame& heard) {
  Frame out;
  listen(heard, out);
  if (frames_ == 0 && sounds_.greeting) start(sounds_.greeting, kGreeting, out);
  if (!speaking_) act(out);
  speak(out);
  ++frames_;
  if (!out.hang_up && !speaking_ && silent_frames_ * audio::kFrameDuration >= script_.patience)
    out.hang_up = "heard nothing";
  return out;
}

void Caller::listen(const audio::MulawFrame& heard, Frame& out) {
  audio::PcmFrame pcm;
  audio::mulaw_decode(heard, pcm);
  out.audible_heard = audio::dbov(pcm) >= kAudibleDbov;
  if (!out.audible_heard) {
    ++silent_frames_;
    return;
  }
  if (!agent_began_) agent_began_ = frames_;
  ++audible_frames_;
  silent_frames_ = 0;
}

bool Caller::is_my_turn(const Line& line) const {
  if (line.interrupt_after)
    return agent_began_ &&
           (frames_ - *agent_began_) * audio::kFrameDuration >= *line.interrupt_after;
  return audible_frames_ * audio::kFrameDuration >= kMinSpeech &&
         silent_frames_ * audio::kFrameDuration >= script_.reply_after;
}

void Caller::act(Frame& out) {
  if (script_.pickup == Pickup::voicemail || next_line_ == script_.lines.size()) return;
  const auto& line = script_.lines[next_line_];
  if (!is_my_turn(line)) return;
  const auto index = next_line_++;
  audible_frames_ = 0;
  silent_frames_ = 0;
  agent_began_.reset();
  cut_after_ = line.cut_after;
  if (line.hang_up)
    out.hang_up = line.interrupt_after ? "in the middle of the agent's sentence" : "its turn";
  else if (!line.press.empty())
    out.pressed = line.press;
  else if (sounds_.lines[index])
    start(sounds_.lines[index], index, out);
}

void Caller::start(Sound sound, std::size_t index, Frame& out) {
  speaking_ = std::move(sound);
  spoken_ = 0;
  out.began = index;
}

void Caller::speak(Frame& out) {
  audio::PcmFrame pcm{};
  if (speaking_) {
    const auto count = std::min(speaking_->size() - spoken_, pcm.size());
    const auto from = speaking_->begin() + static_cast<std::ptrdiff_t>(spoken_);
    std::copy_n(from, count, pcm.begin());
    spoken_ += count;
    if (cut_after_ && audio::duration_of(spoken_) >= *cut_after_)
      out.hang_up = "in the middle of its own sentence";
    if (spoken_ == speaking_->size()) {
      speaking_.reset();
      out.ended = true;
      silent_frames_ = 0;  // patience counts from the end of one's own words
    }
  }
  if (noise_) noise_->add_to(pcm);
  audio::mulaw_encode(pcm, out.said);
}

}  // namespace call::sim
