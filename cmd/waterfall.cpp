#include "cmd/waterfall.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cmd/text_width.hpp"
#include "core/base/strings.hpp"
#include "core/record/stages.hpp"

namespace call::cmd {
namespace {

using record::Waterfall;

/// One for each of record::kStages.
constexpr std::array<const char*, record::kStages.size()> kMarks = {"·", "▒", "╍", "▓", "█", "─"};

constexpr std::size_t kTextColumns = 22;
constexpr std::size_t kNumberColumns = 9;
constexpr std::size_t kNarrow = 60;

std::int64_t longest(const record::CallRecord& record) {
  std::int64_t most = 0;
  for (const auto& waterfall : record.waterfalls) {
    if (!waterfall.speech_end_ms) continue;
    for (const auto& stage : record::kStages) {
      if (const auto end = waterfall.*stage.end)
        most = std::max(most, *end - *waterfall.speech_end_ms);
    }
  }
  return most;
}

std::string bar_of(const Waterfall& waterfall, std::int64_t scale_ms, std::size_t columns) {
  std::string bar;
  std::size_t drawn = 0;
  for (std::size_t i = 0; i < kMarks.size(); ++i) {
    const auto end = waterfall.*record::kStages[i].end;
    if (!end) continue;
    const auto span = std::clamp<std::int64_t>(*end - *waterfall.speech_end_ms, 0, scale_ms);
    const auto until =
        static_cast<std::size_t>(span) * columns / static_cast<std::size_t>(scale_ms);
    for (; drawn < until; ++drawn) bar += kMarks[i];
  }
  return bar;
}

std::string said_in(const record::CallRecord& record, std::uint32_t turn) {
  if (turn >= record.turns.size()) return {};
  return "\"" + printable(record.turns[turn].text) + "\"";
}

std::string clock(std::int64_t ms) {
  return fmt::format("{:02}:{:02}.{}", ms / 60000, ms / 1000 % 60, ms / 100 % 10);
}

}  // namespace

std::string draw_waterfall(const record::CallRecord& record, const Screen& screen) {
  const auto scale = longest(record);
  if (scale == 0) return {};
  const auto width = std::min<std::size_t>(screen.columns, 120);
  const auto text_columns = width < kNarrow ? kTextColumns / 3 : kTextColumns;
  const auto fixed = text_columns + kNumberColumns + 6;
  const auto room = width > fixed + 4 ? width - fixed : 4;
  std::string text = "Turn gaps: from the caller's last word to the first word heard\n";
  for (const auto& waterfall : record.waterfalls) {
    if (!waterfall.speech_end_ms) continue;
    const auto said = fit(said_in(record, waterfall.turn), text_columns);
    const auto padding = text_columns - display_width(said);
    const auto gap = record::turn_gap_ms(waterfall);
    text += fmt::format("  {}{}  {:>6} ms  {}\n", said, std::string(padding, ' '),
                        gap ? fmt::to_string(*gap) : "-", bar_of(waterfall, scale, room));
  }
  text += "  ";
  for (std::size_t i = 0; i < kMarks.size(); ++i) {
    const auto& stage = record::kStages[i];
    const bool any = std::ranges::any_of(
        record.waterfalls, [&](const Waterfall& w) { return (w.*stage.end).has_value(); });
    if (any) text += fmt::format("{} {}   ", kMarks[i], stage.name);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

std::string draw_transcript(const record::CallRecord& record, const Screen& screen) {
  constexpr std::size_t kIndent = 17;
  const auto columns = std::min<std::size_t>(screen.columns, 120) - kIndent;
  std::string text;
  for (const auto& turn : record.turns) {
    std::string said = printable(turn.text);
    if (turn.digits) said = "[keyed " + said + "]";
    if (turn.interrupted) {
      said +=
          fmt::format(" [interrupted after {:.1f} s]", static_cast<double>(turn.heard_ms) / 1000);
    }
    if (!turn.intent.empty()) said += " → " + printable(turn.intent);
    text += fmt::format("{:>7}  {:<6}  {}\n", clock(turn.start_ms), record::to_string(turn.who),
                        join(wrap(said, columns), "\n" + std::string(kIndent, ' ')));
  }
  return text;
}

}  // namespace call::cmd
