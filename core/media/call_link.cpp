#include "core/media/call_link.hpp"

#include <algorithm>
#include <utility>

#include "core/base/affinity.hpp"

namespace call::media {

CallLink::CallLink(StartInfo start, Post post, MonoClock::time_point sample_clock_zero)
    : start_(std::move(start)), post_(std::move(post)), clock_zero_(sample_clock_zero) {}

Result<Event> CallLink::next(Deadline deadline) {
  assert_may_block("CallLink::next");
  std::unique_lock lock(mutex_);
  const auto something = [this] { return drained_ || woken_ || !events_.empty(); };
  if (deadline.is_never()) {
    ready_.wait(lock, something);
  } else if (!ready_.wait_until(lock, deadline.point(), something)) {
    return Error{Errc::timeout, "nothing happened in the call"};
  }
  if (events_.empty() && drained_) return Error{Errc::closed, "the call has ended"};
  if (events_.empty()) {
    woken_ = false;
    return Error{Errc::cancelled, "woken"};
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  if (std::holds_alternative<SpeechAudio>(event)) --audio_events_;
  if (std::holds_alternative<CallEnded>(event)) drained_ = true;
  return event;
}

void CallLink::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  ready_.notify_one();
}

void CallLink::send(Command command) {
  {
    std::lock_guard lock(mutex_);
    if (ended_ || hung_up_) return;
    hung_up_ = std::holds_alternative<HangUp>(command);
    if (const auto* begin = std::get_if<BeginSpeech>(&command)) newest_ = begin->generation;
    if (std::holds_alternative<CancelSpeech>(command)) cut_off_ = newest_;
  }
  post_(std::move(command));
}

bool CallLink::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
}

bool CallLink::is_current(Generation generation) const {
  std::lock_guard lock(mutex_);
  return !ended_ && !hung_up_ && generation > cut_off_ && generation <= newest_;
}

std::int64_t CallLink::clock_ms() const {
  using std::chrono::milliseconds;
  std::lock_guard lock(mutex_);
  const auto span = std::chrono::duration_cast<milliseconds>(MonoClock::now() - clock_zero_);
  return std::max<std::int64_t>(span.count(), 0);
}

void CallLink::drop_oldest_audio() {
  const auto at = std::ranges::find_if(
      events_, [](const Event& event) { return std::holds_alternative<SpeechAudio>(event); });
  events_.erase(at);
  --audio_events_;
}

CallLink::Push CallLink::push(Event event) {
  Push result = Push::ok;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return Push::ok;
    const bool is_end = std::holds_alternative<CallEnded>(event);
    if (events_.size() >= kMaxEvents && !is_end) return Push::stuck;
    if (std::holds_alternative<SpeechAudio>(event)) {
      if (audio_events_ >= kMaxAudioEvents) {
        drop_oldest_audio();
        result = Push::dropped_audio;
      }
      ++audio_events_;
    }
    // An utterance that was begun while the interruption was on its way is cut off by the session
    // as well; what the handler itself has cut off since then stays cut off.
    if (const auto* cut = std::get_if<BargedIn>(&event))
      cut_off_ = std::max(cut_off_, cut->last_cut_off);
    ended_ = ended_ || is_end;
    events_.push_back(std::move(event));
  }
  ready_.notify_one();
  return result;
}

void CallLink::set_sample_clock_zero(MonoClock::time_point zero) {
  std::lock_guard lock(mutex_);
  clock_zero_ = zero;
}

}  // namespace call::media
