#include <fmt/format.h>

#include "core/record/call_record.hpp"

namespace call::record {
namespace {

/// "01:03.2", tenths of a second.
std::string clock_text(std::int64_t ms) {
  return fmt::format("{:02}:{:02}.{}", ms / 60000, ms / 1000 % 60, ms / 100 % 10);
}

void append_turn(std::string& out, const Turn& turn) {
  out += fmt::format("{}  {:<6}  {}", clock_text(turn.start_ms), to_string(turn.who),
                     turn.text.empty() ? "(nothing understood)" : turn.text);
  if (turn.digits) out += "  [keyed in]";
  if (turn.who == Speaker::callee && !turn.digits && !turn.text.empty()) {
    out += fmt::format("  [confidence {:.2f}]", turn.confidence);
  }
  if (turn.interrupted) {
    out += fmt::format("  [interrupted after {:.1f} s", static_cast<double>(turn.heard_ms) / 1000);
    out += turn.heard_text.empty() ? "]" : fmt::format(": \"{}\"]", turn.heard_text);
  }
  out += '\n';
}

}  // namespace

std::string transcript_text(const CallRecord& record) {
  std::string out = fmt::format("Call     {}\n", record.call_sid);
  out += fmt::format("Agent    {}\n", record.agent);
  if (!record.to.empty()) out += fmt::format("To       {}\n", record.to);
  if (record.answered_at) out += fmt::format("Answered {}\n", to_rfc3339(*record.answered_at));
  out += fmt::format("Length   {}\n", clock_text(record.duration_ms));
  out += fmt::format("Ended    {}\n", record.end_reason);
  if (!record.outcome.empty()) out += fmt::format("Outcome  {}\n", record.outcome);
  for (const auto& [slot, value] : record.answers)
    out += fmt::format("Answer   {} = {}\n", slot, value);
  out += '\n';
  for (const auto& turn : record.turns) append_turn(out, turn);
  return out;
}

}  // namespace call::record
