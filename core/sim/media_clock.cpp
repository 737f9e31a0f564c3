#include "core/sim/media_clock.hpp"

#include <algorithm>
#include <utility>

#include "core/audio/format.hpp"

namespace call::sim {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGrain{4};  ///< of the timer: the most that a step of ours is late by design
constexpr milliseconds kWorthNoting{10};
constexpr milliseconds kGiveUp{
    2000};  ///< behind more than this (suspended machine): time is let go

}  // namespace

void MediaClock::add(std::shared_ptr<Paced> stream) {
  entries_.push_back({std::move(stream), MonoClock::now() + audio::kFrameDuration});
  if (!timer_.armed()) timer_.every(kGrain, [this] { tick(); });
}

void MediaClock::remove(const Paced& stream) {
  for (auto& entry : entries_)
    if (entry.stream.get() == &stream) entry.stream.reset();
}

void MediaClock::tick() {
  const auto now = MonoClock::now();
  // By index: a step may add or remove streams.
  for (std::size_t i = 0; i < entries_.size(); ++i) run(i, now);
  std::erase_if(entries_, [](const Entry& entry) { return !entry.stream; });
  if (entries_.empty()) timer_.cancel();
}

void MediaClock::run(std::size_t index, MonoClock::time_point now) {
  const auto stream = entries_[index].stream;  // lives through its last step
  while (entries_[index].stream && entries_[index].due <= now) {
    auto& due = entries_[index].due;
    const auto lag = std::chrono::duration_cast<milliseconds>(now - due);
    due = lag > kGiveUp ? now + audio::kFrameDuration : due + audio::kFrameDuration;
    ++health_.frames;
    if (lag > kWorthNoting) ++health_.late_frames;
    health_.worst_ms = std::max<std::int64_t>(health_.worst_ms, lag.count());
    stream->step(lag > audio::kFrameDuration);
  }
}

}  // namespace call::sim
