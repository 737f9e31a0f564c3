// All calls of the simulator: takes new ones at the carrier's pace (calls per second, the rest
// waits in a queue), finds and remembers them. On the loop, but for live() and wait_until_idle().
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/metrics/metrics.hpp"
#include "core/sim/live_call.hpp"

namespace call::sim {

class Switchboard {
 public:
  struct Options {
    double calls_per_second = 1.0;
    std::size_t max_calls = 100000;
  };
  Switchboard(Options options, Script script, Facilities& facilities, metrics::Registry& metrics);

  /// nullopt: max_calls calls live already. `reported` is called once, when the first webhook of
  /// the call was delivered or given up.
  std::optional<CallState> create(CallRequest request, std::string sid, Faults faults,
                                  std::function<void()> reported);
  std::optional<CallState> find(std::string_view sid) const;
  /// nullopt: no such call.
  std::optional<LiveCall::Update> update(std::string_view sid, const CallUpdate& update);
  Calls snapshot() const;
  std::size_t live() const;  ///< thread-safe
  /// Until no call lives and every webhook of every call is delivered or given up. False at the
  /// deadline. Blocks.
  bool wait_until_idle(Deadline deadline) const;
  void hang_up_all(const char* by);

 private:
  struct Entry {
    std::shared_ptr<CallState> state;
    std::shared_ptr<LiveCall> live;  ///< null once the call is over
  };
  const Entry* entry(std::string_view sid) const;
  MonoClock::time_point next_slot();
  void over(std::uint64_t serial);
  void set_live(std::size_t live);
  bool make_room();

  Options options_;
  Script script_;
  Facilities& facilities_;
  metrics::Registry& metrics_;
  std::map<std::uint64_t, Entry> calls_;  ///< by serial, which is the order of creation
  std::unordered_map<std::string, std::uint64_t> by_sid_;
  std::uint64_t last_serial_ = 0;
  mutable std::mutex live_mutex_;
  mutable std::condition_variable live_changed_;
  std::size_t live_ = 0;               ///< under live_mutex_
  MonoClock::time_point free_slot_{};  ///< when the next call may be dialed
};

}  // namespace call::sim
