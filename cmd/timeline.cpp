#include "cmd/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/report/loudness.hpp"

namespace call::cmd {
namespace {

using record::Speaker;

constexpr std::array<const char*, 9> kBlocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::size_t kIndent = 9;  ///< "  agent  "
/// A column is this long or a bit longer, so that a long call takes more rows and a short one one.
constexpr std::int64_t kColumnMs = 250;
constexpr std::size_t kMostRows = 12;

struct Scale {
  std::int64_t length_ms = 1;
  std::size_t columns = 1;  ///< of all rows together
  std::size_t in_row = 1;

  std::size_t column_of(std::int64_t ms) const {
    const auto at =
        std::clamp<std::int64_t>(ms, 0, length_ms) * static_cast<std::int64_t>(columns) / length_ms;
    return std::min(static_cast<std::size_t>(at), columns - 1);
  }
  std::int64_t ms_of(std::size_t column) const {
    return length_ms * static_cast<std::int64_t>(column) / static_cast<std::int64_t>(columns);
  }
};

Scale scale_of(const record::CallRecord& record, const Screen& screen) {
  Scale scale;
  scale.length_ms = std::max<std::int64_t>(record.duration_ms, 1);
  for (const auto& turn : record.turns) scale.length_ms = std::max(scale.length_ms, turn.end_ms);
  const auto width = std::min<std::size_t>(screen.columns, 120);
  scale.in_row = width > kIndent + 10 ? width - kIndent - 1 : 10;
  const auto wanted = static_cast<std::size_t>((scale.length_ms + kColumnMs - 1) / kColumnMs);
  scale.columns = std::clamp(wanted, scale.in_row, scale.in_row * kMostRows);
  return scale;
}

/// One mark a column.
using Lane = std::vector<std::string>;

Lane voice_lane(const record::CallRecord& record, const audio::Wav* recording, Speaker who,
                const Scale& scale) {
  Lane lane(scale.columns, " ");
  if (recording != nullptr && recording->format.channels == 2) {
    auto track = recording->channel(who == Speaker::agent ? 1 : 0);
    track.resize(static_cast<std::size_t>(scale.length_ms) * audio::kSamplesPerMs);
    const auto levels = report::loudness(track, scale.columns);
    for (std::size_t i = 0; i < lane.size(); ++i) {
      const auto level = static_cast<std::size_t>(levels[i] * 8 + 0.5F);
      lane[i] = kBlocks[std::min<std::size_t>(level, 8)];
    }
  } else {
    for (const auto& turn : record.turns) {
      if (turn.who != who) continue;
      for (auto i = scale.column_of(turn.start_ms); i <= scale.column_of(turn.end_ms); ++i) {
        lane[i] = "▆";
      }
    }
  }
  for (const auto& span : record.recording.masked) {
    if (span.track != who) continue;
    for (auto i = scale.column_of(span.start_ms); i <= scale.column_of(span.end_ms); ++i) {
      lane[i] = "░";
    }
  }
  return lane;
}

Lane mark_lane(const record::CallRecord& record, const Scale& scale) {
  Lane lane(scale.columns, " ");
  for (const auto& turn : record.turns) {
    if (turn.digits) lane[scale.column_of(turn.start_ms)] = "#";
    if (turn.interrupted) lane[scale.column_of(turn.end_ms)] = "×";
  }
  return lane;
}

bool blank(const Lane& lane, std::size_t from, std::size_t to) {
  return std::all_of(lane.begin() + static_cast<std::ptrdiff_t>(from),
                     lane.begin() + static_cast<std::ptrdiff_t>(to),
                     [](const std::string& mark) { return mark == " "; });
}

std::string row(std::string_view name, const Lane& lane, std::size_t from, std::size_t to) {
  std::string text = fmt::format("{:>7}  ", name);
  for (auto i = from; i < to; ++i) text += lane[i];
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

/// "0:00      0:05      ...", a tick where there is room for one.
std::string ruler(const Scale& scale, std::size_t from, std::size_t to) {
  constexpr std::size_t kRoom = 10;
  std::string text;
  for (auto i = from; i + 5 < to; i += kRoom) {
    const auto ms = scale.ms_of(i);
    text += fmt::format("{:<10}",
                        fmt::format("{}:{:02}.{}", ms / 60000, ms / 1000 % 60, ms / 100 % 10));
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return std::string(kIndent, ' ') + text + "\n";
}

std::string legend(const record::CallRecord& record, const audio::Wav* recording) {
  std::string text;
  const auto add = [&](std::string_view mark) {
    text += (text.empty() ? "" : "   ") + std::string(mark);
  };
  const auto any = [&](auto member) { return std::ranges::any_of(record.turns, member); };
  if (recording == nullptr) add("▆ a turn, by the record");
  if (any(&record::Turn::interrupted)) add("× interrupted");
  if (any(&record::Turn::digits)) add("# keyed");
  if (!record.recording.masked.empty()) add("░ redacted");
  return text.empty() ? text : std::string(kIndent, ' ') + text + "\n";
}

}  // namespace

std::string draw_timeline(const record::CallRecord& record, const audio::Wav* recording,
                          const Screen& screen) {
  const auto scale = scale_of(record, screen);
  const auto agent = voice_lane(record, recording, Speaker::agent, scale);
  const auto callee = voice_lane(record, recording, Speaker::callee, scale);
  const auto marks = mark_lane(record, scale);
  std::string text;
  for (std::size_t from = 0; from < scale.columns; from += scale.in_row) {
    const auto to = std::min(from + scale.in_row, scale.columns);
    text += ruler(scale, from, to);
    text += row("agent", agent, from, to);
    text += row("callee", callee, from, to);
    if (!blank(marks, from, to)) text += row("", marks, from, to);
  }
  return text + legend(record, recording);
}

}  // namespace call::cmd
