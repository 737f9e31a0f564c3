#include "core/media/recording.hpp"

#include <algorithm>

namespace call::media {
namespace {

/// The agent's track may run ahead of the callee's by this much (marks come before the audio that
/// surrounds them); beyond it, it is the callee's track that has a hole.
constexpr std::size_t kMaxSkew = 30 * 8000;

void append(audio::Mulaw& track, std::size_t gap, audio::MulawView mulaw) {
  track.insert(track.end(), gap, audio::kMulawSilence);
  track.insert(track.end(), mulaw.begin(), mulaw.end());
}

}  // namespace

void Recording::add_callee(std::size_t gap, audio::MulawView mulaw) {
  append(callee_, gap, mulaw);
}

void Recording::add_agent(std::int64_t end, audio::MulawView mulaw) {
  const auto start = end - static_cast<std::int64_t>(mulaw.size());
  const auto gap = start - agent_end();
  append(agent_, gap > kSeam ? static_cast<std::size_t>(gap) : 0, mulaw);
}

void Recording::agent_silent_until(std::int64_t position) {
  if (position <= agent_end() + kSeam) return;
  append(agent_, static_cast<std::size_t>(position - agent_end()), {});
}

RecordedBlock Recording::cut(std::size_t samples) {
  RecordedBlock block;
  block.position = base_;
  const auto count = static_cast<std::ptrdiff_t>(samples);
  block.callee.assign(callee_.begin(), callee_.begin() + count);
  block.agent.assign(agent_.begin(), agent_.begin() + count);
  callee_.erase(callee_.begin(), callee_.begin() + count);
  agent_.erase(agent_.begin(), agent_.begin() + count);
  base_ += count;
  return block;
}

std::optional<RecordedBlock> Recording::take(std::size_t least) {
  if (agent_.size() > callee_.size() + kMaxSkew)
    callee_.resize(agent_.size(), audio::kMulawSilence);
  const std::size_t both = std::min(callee_.size(), agent_.size());
  if (both < std::max<std::size_t>(least, 1)) return std::nullopt;
  return cut(both);
}

std::optional<RecordedBlock> Recording::finish() {
  const std::size_t longest = std::max(callee_.size(), agent_.size());
  if (longest == 0) return std::nullopt;
  callee_.resize(longest, audio::kMulawSilence);
  agent_.resize(longest, audio::kMulawSilence);
  return cut(longest);
}

}  // namespace call::media
