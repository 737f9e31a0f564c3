#include "core/sim/switchboard.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/log/log.hpp"

namespace call::sim {

Switchboard::Switchboard(Options options, Script script, Facilities& facilities,
                         metrics::Registry& metrics)
    : options_(options), script_(std::move(script)), facilities_(facilities), metrics_(metrics) {}

MonoClock::time_point Switchboard::next_slot() {
  const auto slot = std::max(free_slot_, MonoClock::now());
  const std::chrono::duration<double> spacing(1.0 / options_.calls_per_second);
  free_slot_ = slot + std::chrono::duration_cast<MonoClock::duration>(spacing);
  return slot;
}

/// Forgets the oldest call that is over when the memory is full.
bool Switchboard::make_room() {
  if (calls_.size() < options_.max_calls) return true;
  const auto oldest = std::find_if(calls_.begin(), calls_.end(),
                                   [](const auto& item) { return !item.second.live; });
  if (oldest == calls_.end()) return false;
  by_sid_.erase(oldest->second.state->sid);
  calls_.erase(oldest);
  return true;
}

std::optional<CallState> Switchboard::create(CallRequest request, std::string sid, Faults faults,
                                             std::function<void()> reported) {
  if (!make_room()) return std::nullopt;
  const auto slot = next_slot();
  const auto& callee = script_.for_number(request.to);
  auto state = std::make_shared<CallState>();
  state->sid = std::move(sid);
  state->serial = ++last_serial_;
  state->callee = callee.label;
  state->created = state->updated = wall_now();
  state->queue_time =
      std::max(std::chrono::ceil<std::chrono::milliseconds>(slot - MonoClock::now()),
               std::chrono::milliseconds(0));
  state->request = std::move(request);
  state->faults = faults;
  log::Logger("sim")
      .with("sid", state->sid)
      .debug("call to {} from {}, queued for {} ms", log::mask_phone(state->request.to),
             log::mask_phone(state->request.from), state->queue_time.count());
  auto live = std::make_shared<LiveCall>(facilities_, state, callee, std::move(reported),
                                         [this, serial = state->serial] { over(serial); });
  by_sid_.emplace(state->sid, state->serial);
  calls_.emplace(state->serial, Entry{state, live});
  set_live(live_ + 1);
  live->dial_at(slot);
  return *state;
}

const Switchboard::Entry* Switchboard::entry(std::string_view sid) const {
  const auto serial = by_sid_.find(std::string(sid));
  return serial == by_sid_.end() ? nullptr : &calls_.at(serial->second);
}

std::optional<CallState> Switchboard::find(std::string_view sid) const {
  const auto* found = entry(sid);
  return found ? std::optional(*found->state) : std::nullopt;
}

std::optional<LiveCall::Update> Switchboard::update(std::string_view sid,
                                                    const CallUpdate& update) {
  const auto* found = entry(sid);
  if (!found) return std::nullopt;
  const auto live = found->live;
  return live ? live->update(update) : LiveCall::Update::over;
}

Calls Switchboard::snapshot() const {
  Calls calls;
  calls.reserve(calls_.size());
  for (const auto& [serial, item] : calls_)
    calls.push_back(item.live ? std::make_shared<CallState>(*item.state) : item.state);
  return calls;
}

void Switchboard::hang_up_all(const char* by) {
  for (const auto& [serial, item] : calls_)
    if (const auto live = item.live) live->hang_up(by);
}

void Switchboard::over(std::uint64_t serial) {
  auto& item = calls_.at(serial);
  const auto& summary = item.state->summary;
  metrics_
      .counter("calld_sim_calls_total", "Simulated calls that are over, by final status",
               {{"status", std::string(to_string(item.state->status))}})
      .add();
  metrics_.counter("calld_sim_gaps_total", "Gaps over 40 ms in what callees heard")
      .add(summary.gaps);
  item.live.reset();
  set_live(live_ - 1);
}

void Switchboard::set_live(std::size_t live) {
  {
    std::lock_guard lock(live_mutex_);
    live_ = live;
  }
  live_changed_.notify_all();
}

std::size_t Switchboard::live() const {
  std::lock_guard lock(live_mutex_);
  return live_;
}

bool Switchboard::wait_until_idle(Deadline deadline) const {
  assert_may_block("Switchboard::wait_until_idle");
  std::unique_lock lock(live_mutex_);
  return live_changed_.wait_for(lock, deadline.left(), [this] { return live_ == 0; });
}

}  // namespace call::sim
