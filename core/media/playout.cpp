#include "core/media/playout.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"

namespace call::media {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

microseconds play_time(std::size_t samples) {
  return microseconds(samples * 125);
}

std::int64_t to_ms(std::size_t samples) {
  return static_cast<std::int64_t>(samples / audio::kSamplesPerMs);
}

/// The generation of "g<generation>.<sequence>"; 0 for any other text.
Generation generation_of(std::string_view mark) {
  if (mark.size() < 4 || mark.front() != 'g') return 0;
  const auto dot = mark.find('.');
  if (dot == std::string_view::npos || !parse_number<std::uint32_t>(mark.substr(dot + 1))) return 0;
  return parse_number<Generation>(mark.substr(1, dot - 1)).value_or(0);
}

}  // namespace

void Playout::begin(Generation generation, bool interruptible) {
  if (generation <= newest_) return;
  if (!utterances_.empty()) utterances_.back().ended = true;
  newest_ = generation;
  Utterance utterance;
  utterance.generation = generation;
  utterance.interruptible = interruptible;
  utterances_.push_back(std::move(utterance));
}

Playout::Utterance* Playout::find(Generation generation) {
  const auto at = std::ranges::find(utterances_, generation, &Utterance::generation);
  return at == utterances_.end() ? nullptr : &*at;
}

Playout::Add Playout::add(Generation generation, audio::MulawView mulaw) {
  Utterance* utterance = find(generation);
  if (utterance == nullptr || utterance->ended) return Add::cut_off;
  if (queued_samples_ + mulaw.size() > audio::samples_in(options_.max_queued)) {
    return Add::overflow;
  }
  utterance->audio.insert(utterance->audio.end(), mulaw.begin(), mulaw.end());
  queued_samples_ += mulaw.size();
  return Add::taken;
}

void Playout::end(Generation generation) {
  if (Utterance* utterance = find(generation)) utterance->ended = true;
}

/// 0: nothing now. Whole frames only, but for the very end; small pieces only while the carrier is
/// nearly dry.
std::size_t Playout::next_piece_samples(const Utterance& utterance, Time now) const {
  const auto lead = play_end_ - now;
  if (lead >= options_.lead) return 0;
  std::size_t samples = std::min(utterance.waiting(), audio::samples_in(options_.piece));
  const bool whole = utterance.ended && samples == utterance.waiting();
  if (!whole) samples -= samples % audio::kFrameSamples;
  const bool small = samples < audio::samples_in(options_.piece);
  return small && !whole && lead > options_.piece ? 0 : samples;
}

Playout::Piece Playout::take_piece(Utterance& utterance, std::size_t samples, Time now) {
  Piece piece;
  piece.generation = utterance.generation;
  piece.mark = fmt::format("g{}.{}", utterance.generation, utterance.next_mark++);
  if (samples > 0) {
    piece.first = utterance.taken == 0;
    piece.underrun = !piece.first && play_end_ < now;
    const auto from = utterance.audio.begin() + static_cast<std::ptrdiff_t>(utterance.taken);
    piece.audio.assign(from, from + static_cast<std::ptrdiff_t>(samples));
    utterance.taken += samples;
    queued_samples_ -= samples;
    const auto odd = piece.audio.size() % audio::kFrameSamples;
    if (odd != 0)
      piece.audio.resize(piece.audio.size() + audio::kFrameSamples - odd, audio::kMulawSilence);
    play_end_ = std::max(play_end_, now) + play_time(piece.audio.size());
  }
  utterance.last_mark_sent = utterance.ended && utterance.waiting() == 0;
  in_flight_.push_back({utterance.generation, piece.mark, piece.audio, utterance.last_mark_sent});
  return piece;
}

void Playout::top_up(Time now, std::vector<Piece>& out) {
  for (Utterance& utterance : utterances_) {
    while (!utterance.last_mark_sent) {
      const bool only_mark = utterance.ended && utterance.waiting() == 0;
      const std::size_t samples = only_mark ? 0 : next_piece_samples(utterance, now);
      if (samples == 0 && !only_mark) return;
      out.push_back(take_piece(utterance, samples, now));
    }
  }
}

Playout::Confirmed Playout::confirm_front() {
  InFlight front = std::move(in_flight_.front());
  in_flight_.pop_front();
  Utterance* utterance = find(front.generation);
  CALL_ASSERT(utterance != nullptr);
  Confirmed confirmed;
  confirmed.generation = front.generation;
  confirmed.first = utterance->heard == 0 && !front.audio.empty();
  utterance->heard += front.audio.size();
  confirmed.heard_ms = to_ms(utterance->heard);
  confirmed.audio = std::move(front.audio);
  confirmed.complete = front.last;
  if (front.last)
    std::erase_if(utterances_, [&](const auto& u) { return u.generation == front.generation; });
  return confirmed;
}

Playout::Echo Playout::on_mark(std::string_view name, Time now, std::vector<Confirmed>& out) {
  const Generation generation = generation_of(name);
  if (generation == 0 || generation > newest_) return Echo::unknown;
  if (generation <= cleared_) return Echo::stale;
  const auto at = std::ranges::find(in_flight_, name, &InFlight::mark);
  if (at == in_flight_.end()) return Echo::unknown;
  for (auto count = at - in_flight_.begin() + 1; count > 0; --count) out.push_back(confirm_front());
  play_end_ = now + play_time(samples_in_flight());
  return Echo::confirmed;
}

std::size_t Playout::expire_marks(Time now, std::vector<Confirmed>& out) {
  if (in_flight_.empty() || now < play_end_ + options_.mark_patience) return 0;
  const std::size_t count = in_flight_.size();
  while (!in_flight_.empty()) out.push_back(confirm_front());
  return count;
}

std::size_t Playout::samples_in_flight() const {
  std::size_t samples = 0;
  for (const InFlight& piece : in_flight_) samples += piece.audio.size();
  return samples;
}

Playout::Cleared Playout::clear(Time now) {
  Cleared cleared;
  cleared.anything = !in_flight_.empty();
  const std::size_t flying = samples_in_flight();
  const auto left = std::max<Time::duration>(play_end_ - now, Time::duration::zero());
  const auto unheard = static_cast<std::size_t>(duration_cast<microseconds>(left).count() / 125);
  std::size_t heard = flying - std::min(unheard, flying);
  if (!utterances_.empty()) {
    cleared.generation = utterances_.front().generation;
    cleared.heard_ms = to_ms(utterances_.front().heard);
  }
  while (heard > 0) {
    InFlight& piece = in_flight_.front();
    const std::size_t part = std::min(heard, piece.audio.size());
    piece.last = piece.last && part == piece.audio.size();
    piece.audio.resize(part);
    heard -= part;
    cleared.heard.push_back(confirm_front());
    cleared.generation = cleared.heard.back().generation;
    cleared.heard_ms = cleared.heard.back().heard_ms;
  }
  utterances_.clear();
  in_flight_.clear();
  queued_samples_ = 0;
  cleared_ = newest_;
  cleared.last_cut_off = newest_;
  play_end_ = now;
  return cleared;
}

bool Playout::audible(Time now) const {
  return !in_flight_.empty() && samples_in_flight() > 0 && now < play_end_ + options_.audible_grace;
}

bool Playout::interruptible() const {
  if (in_flight_.empty()) return true;
  const auto at =
      std::ranges::find(utterances_, in_flight_.front().generation, &Utterance::generation);
  return at == utterances_.end() || at->interruptible;
}

}  // namespace call::media
