// The plain counters of a call, once for all who write, read or show them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/record/call_record.hpp"

namespace call::record {

struct CounterField {
  std::string_view key;    ///< in record.json
  std::string_view title;  ///< for people
  std::uint64_t Counters::*member;
  bool bad = false;  ///< anything above 0 is to be looked at
};

inline constexpr std::array<CounterField, 13> kCounters = {{
    {"frames_in", "frames in", &Counters::frames_in},
    {"frames_out", "frames out", &Counters::frames_out},
    {"messages_in", "messages in", &Counters::messages_in},
    {"messages_out", "messages out", &Counters::messages_out},
    {"messages_refused", "messages refused", &Counters::messages_refused, true},
    {"marks_sent", "marks sent", &Counters::marks_sent},
    {"marks_heard", "marks heard", &Counters::marks_heard},
    {"marks_stale", "marks stale", &Counters::marks_stale},
    {"clears", "clears", &Counters::clears},
    {"barge_ins", "interruptions", &Counters::barge_ins},
    {"false_barge_ins", "false interruptions", &Counters::false_barge_ins},
    {"underruns", "underruns", &Counters::underruns, true},
    {"inbound_gap_ms", "inbound gap ms", &Counters::inbound_gap_ms, true},
}};

}  // namespace call::record
