#include "core/audio/ring.hpp"

#include <algorithm>

namespace call::audio {

PreRoll::PreRoll(std::chrono::milliseconds span)
    : buffer_(std::max<std::size_t>(samples_in(span), 1)) {}

void PreRoll::push(PcmView pcm) noexcept {
  if (pcm.size() > buffer_.size()) pcm = pcm.last(buffer_.size());
  const std::size_t head = std::min(pcm.size(), buffer_.size() - next_);
  std::copy_n(pcm.begin(), head, buffer_.begin() + static_cast<std::ptrdiff_t>(next_));
  std::copy(pcm.begin() + static_cast<std::ptrdiff_t>(head), pcm.end(), buffer_.begin());
  next_ = (next_ + pcm.size()) % buffer_.size();
  size_ = std::min(size_ + pcm.size(), buffer_.size());
}

void PreRoll::drain_into(Pcm& out, std::chrono::milliseconds limit) {
  const bool unlimited = limit >= duration_of(buffer_.size());
  const std::size_t wanted = unlimited ? size_ : std::min(size_, samples_in(limit));
  const std::size_t first = (next_ + buffer_.size() - wanted) % buffer_.size();
  const std::size_t head = std::min(wanted, buffer_.size() - first);
  const auto at = [&](std::size_t i) { return buffer_.begin() + static_cast<std::ptrdiff_t>(i); };
  out.insert(out.end(), at(first), at(first + head));
  out.insert(out.end(), at(0), at(wanted - head));
  size_ = 0;
}

}  // namespace call::audio
