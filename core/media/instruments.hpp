// The media server's metrics, registered once. Updates are lock-free and may come from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "core/metrics/metrics.hpp"
#include "core/record/call_record.hpp"

namespace call::media {

inline constexpr const char* kDropsHelp = "Frames, messages or news dropped, by reason";

class Instruments {
 public:
  explicit Instruments(metrics::Registry& registry);

  /// Adds what the counters have grown by since `last`, and remembers them there.
  void add_progress(const record::Counters& now, record::Counters& last);
  /// Once a call, at its end: drops by reason.
  void add_drops(const record::Counters& counters);
  /// Once a call, at its end.
  void call_ended(std::string_view reason, double seconds);
  void observe_lateness(double seconds) { lateness_.observe(seconds); }

  metrics::Gauge& active_calls;
  metrics::Counter& calls;
  metrics::Counter& refused_full;      ///< upgrades, all calls taken
  metrics::Counter& refused_auth;      ///< upgrades and starts
  metrics::Counter& refused_agent;     ///< starts that name an agent which is not there
  metrics::Counter& refused_unproven;  ///< upgrades, too many streams without a start
  metrics::Counter& refused_twice;     ///< starts of a call that is being held already
  metrics::Counter& start_timeouts;

 private:
  static constexpr std::array<std::string_view, 12> kReasons = {
      "before_start", "unknown_event",  "other_track",    "carrier_error",
      "mark_unknown", "mark_lost",      "speech_cut_off", "speech_overflow",
      "handler_slow", "recording_disk", "tape",           "other"};

  static constexpr std::array<std::string_view, 16> kEnds = {
      "completed",   "caller_hung_up", "transferred",      "silence",
      "machine",     "engine_failed",  "max_duration",     "peer_lost",
      "shutdown",    "protocol_error", "peer_not_reading", "message_flood",
      "audio_flood", "handler_stuck",  "handler_failed",   "other"};

  struct Exported {
    metrics::Counter* counter;
    std::uint64_t record::Counters::*member;
  };
  static std::vector<Exported> exported_counters(metrics::Registry& registry);

  std::vector<Exported> exported_;
  metrics::Histogram& call_seconds_;
  metrics::Histogram& lateness_;
  std::array<metrics::Counter*, kReasons.size()> drops_{};
  std::array<metrics::Counter*, kEnds.size()> ends_{};
};

}  // namespace call::media
