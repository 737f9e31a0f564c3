#include "core/sim/playback.hpp"

#include <algorithm>
#include <utility>

namespace call::sim {

using std::chrono::milliseconds;

std::size_t Playback::enqueue(audio::MulawView bytes) {
  const auto room = audio::samples_in(kMaxBuffered) - queue_.size();
  const auto taken = bytes.first(std::min(bytes.size(), room));
  queue_.insert(queue_.end(), taken.begin(), taken.end());
  accepted_ += taken.size();
  return taken.size();
}

bool Playback::mark(std::string name) {
  if (!sounding()) return true;
  if (marks_.size() < kMaxPendingMarks) marks_.push_back({accepted_, std::move(name)});
  return false;
}

Playback::Cleared Playback::clear() {
  Cleared cleared{buffered(), {}};
  accepted_ -= queue_.size();
  queue_.clear();
  for (auto& mark : marks_) cleared.marks.push_back(std::move(mark.name));
  marks_.clear();
  same_utterance_ = false;
  return cleared;
}

Playback::Tick Playback::tick() {
  Tick tick;
  // What was handed out last time has sounded by now, so its marks are due before the next 20 ms
  // begin.
  tick.marks = take_marks_up_to(played_);
  tick.played = std::min(queue_.size(), audio::kFrameSamples);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(tick.played);
  const auto rest = std::copy(queue_.begin(), end, tick.frame.begin());
  std::fill(rest, tick.frame.end(), audio::kMulawSilence);
  queue_.erase(queue_.begin(), end);
  tick.gap = account(tick.played);
  played_ += tick.played;
  last_played_ = tick.played;
  ++ticks_;
  return tick;
}

milliseconds Playback::now() const {
  return milliseconds(static_cast<std::int64_t>(ticks_) * audio::kFrameDuration.count());
}

std::vector<std::string> Playback::take_marks_up_to(std::uint64_t position) {
  std::vector<std::string> reached;
  for (; !marks_.empty() && marks_.front().at <= position; marks_.pop_front())
    reached.push_back(std::move(marks_.front().name));
  return reached;
}

std::optional<Playback::Gap> Playback::account(std::size_t played) {
  if (played == 0) {
    dry_samples_ += audio::kFrameSamples;
    return std::nullopt;
  }
  std::optional<Gap> gap;
  const auto dry = audio::duration_of(dry_samples_);
  if (same_utterance_ && dry > kGapOver && dry <= kSameUtterance) gap = Gap{now() - dry, dry};
  same_utterance_ = true;
  dry_samples_ = audio::kFrameSamples - played;
  return gap;
}

}  // namespace call::sim
