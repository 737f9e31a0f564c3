// Reports as one HTML file each, with style, script, drawings and audio inside: nothing is loaded from
// anywhere. Pure: data in, text out. Numbers and names appear as they are given: mask them before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/audio/wav.hpp"
#include "core/base/clock.hpp"
#include "core/record/call_record.hpp"

namespace call::report {

struct Call {
  record::CallRecord record;
  std::string name;                 ///< of the callee; empty: not known
  std::string number;               ///< as it may be shown
  std::optional<audio::Wav> audio;  ///< two channels, callee and agent
  std::string audio_note;           ///< why there is no audio
  bool embed_audio = true;          ///< false: drawn, but not to be heard
};

/// A row of a list's table.
struct Entry {
  std::int64_t seq = 0;
  std::string name;
  std::string number;
  std::string state;    ///< shown while there is no outcome
  std::string outcome;  ///< empty: not done
  std::string reason;
  int attempts = 0;
  std::string call_sid;
};

struct List {
  std::string name;
  std::string tenant;
  std::string state;
  std::string agent;
  std::optional<WallTime> created_at, started_at, finished_at;
  std::int64_t total = 0;
  std::int64_t attempts = 0;
  std::int64_t unknown_attempts = 0;
  std::vector<std::pair<std::string, std::int64_t>> outcomes;  ///< how many entries ended so
  std::int64_t open = 0;                                       ///< entries that are not done
  std::vector<Entry> entries;
  std::vector<Call> calls;
  std::string note;  ///< what was left out, if anything
};

struct Maker {
  std::string version;
  WallTime at;
};

std::string call_page(const Call& call, const Maker& maker);
std::string list_page(const List& list, const Maker& maker);

}  // namespace call::report
