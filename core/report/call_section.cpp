#include "core/report/call_section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/crypto/base64.hpp"
#include "core/record/counters.hpp"
#include "core/record/stages.hpp"
#include "core/report/html.hpp"
#include "core/report/loudness.hpp"

namespace call::report {
namespace {

using record::kStages;
using record::Speaker;
using record::Waterfall;

std::int64_t length_of(const Call& call) {
  std::int64_t ms = std::max<std::int64_t>(call.record.duration_ms, 1);
  for (const auto& turn : call.record.turns) ms = std::max(ms, turn.end_ms);
  return ms;
}

// ---- player and timeline

std::string wave_path(const std::vector<float>& levels) {
  if (levels.empty()) return {};
  const auto step = 1000.0 / static_cast<double>(levels.size());
  std::string path = "M0 50";
  const auto point = [&](std::size_t i, double y) {
    path += fmt::format("L{:.1f} {:.1f}", (static_cast<double>(i) + 0.5) * step, y);
  };
  for (std::size_t i = 0; i < levels.size(); ++i) point(i, 49.5 - 47 * double{levels[i]});
  path += "L1000 50";
  for (std::size_t i = levels.size(); i-- > 0;) point(i, 50.5 + 47 * double{levels[i]});
  return path + "Z";
}

std::string place(std::int64_t from, std::int64_t to, std::int64_t whole) {
  const auto whole_ms = static_cast<double>(whole);
  return fmt::format("left:{};width:{}", percent(static_cast<double>(from), whole_ms),
                     percent(static_cast<double>(std::max<std::int64_t>(to - from, 0)), whole_ms));
}

std::string lane(const Call& call, Speaker who, std::size_t slices, std::int64_t length) {
  const auto name = record::to_string(who);
  std::string html = fmt::format("<div class=\"lane {0}\"><b>{0}</b>", name);
  for (const auto& turn : call.record.turns) {
    if (turn.who != who) continue;
    html += fmt::format("<i class=\"turn{}\" style=\"{}\" data-at=\"{}\" title=\"{}\"></i>",
                        turn.interrupted ? " cut" : "", place(turn.start_ms, turn.end_ms, length),
                        turn.start_ms, escape(turn.text));
  }
  if (call.audio && call.audio->format.channels == 2) {
    const auto levels = loudness(call.audio->channel(who == Speaker::agent ? 1 : 0), slices);
    html += fmt::format(
        "<svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        "<path d=\"{}\"/></svg>",
        wave_path(levels));
  }
  for (const auto& span : call.record.recording.masked) {
    if (span.track != who) continue;
    html += fmt::format("<i class=\"mask\" style=\"{}\" title=\"redacted\"></i>",
                        place(span.start_ms, span.end_ms, length));
  }
  return html + "</div>";
}

std::string axis(std::int64_t length) {
  constexpr std::array<std::int64_t, 10> kSteps = {1000,  2000,  5000,   10000,  15000,
                                                   30000, 60000, 120000, 300000, 600000};
  const auto at = std::ranges::find_if(kSteps, [&](auto step) { return length / step <= 10; });
  const auto step = at == kSteps.end() ? std::int64_t{3600000} : *at;
  std::string html = "<div class=\"axis\">";
  for (std::int64_t ms = 0; ms < length; ms += step) {
    const auto left = percent(static_cast<double>(ms), static_cast<double>(length));
    html +=
        fmt::format("<span style=\"left:{}\">{}:{:02}</span>", left, ms / 60000, ms / 1000 % 60);
  }
  return html + "</div>";
}

/// As mu-law, half as large as linear samples; the tracks lost nothing more by it, they came so.
std::string player(const Call& call) {
  if (!call.audio || !call.embed_audio) {
    const auto note = call.audio_note.empty() ? "The audio is not in this file." : call.audio_note;
    return fmt::format("<p class=\"note\">{}</p>", escape(note));
  }
  auto format = call.audio->format;
  format.encoding = audio::WavEncoding::mulaw;
  return "<audio controls preload=\"metadata\" src=\"data:audio/wav;base64," +
         crypto::base64_encode(audio::encode_wav(format, call.audio->samples)) + "\"></audio>";
}

std::string timeline(const Call& call, std::size_t slices) {
  const auto length = length_of(call);
  return fmt::format(
      "<figure class=\"timeline\" data-ms=\"{}\">{}<div class=\"lanes\">{}{}<i "
      "class=\"head\"></i></div>{}</figure>",
      length, player(call), lane(call, Speaker::agent, slices, length),
      lane(call, Speaker::callee, slices, length), axis(length));
}

// ---- transcript

/// What was heard stands out from what was only said.
std::string agent_words(const record::Turn& turn) {
  if (!turn.interrupted || !turn.text.starts_with(turn.heard_text)) return isolated(turn.text);
  const auto unheard = std::string_view(turn.text).substr(turn.heard_text.size());
  return fmt::format("{}<s title=\"never heard\">{}</s>", escape(turn.heard_text), escape(unheard));
}

std::string turn_html(const record::Turn& turn) {
  std::string facts;
  const auto fact = [&](const std::string& text) { facts += "<small>" + text + "</small>"; };
  if (!turn.intent.empty()) fact("understood " + isolated(turn.intent));
  if (turn.digits) fact("keyed");
  if (turn.who == Speaker::callee && !turn.digits && !turn.text.empty()) {
    fact(fmt::format("confidence {:.2f}", turn.confidence));
  }
  if (turn.interrupted) {
    fact(fmt::format("cut off after {:.1f} s", static_cast<double>(turn.heard_ms) / 1000));
  }
  const auto words = turn.text.empty()            ? "<em>nothing understood</em>"
                     : turn.who == Speaker::agent ? agent_words(turn)
                                                  : isolated(turn.text);
  return fmt::format(
      "<li class=\"{0}\"><a class=\"at\" data-at=\"{1}\">{2}</a><div><b>{0}</b><p "
      "dir=\"auto\">{3}</p>{4}</div></li>",
      record::to_string(turn.who), turn.start_ms, clock_text(turn.start_ms), words, facts);
}

std::string transcript(const record::CallRecord& record) {
  if (record.turns.empty()) return {};
  std::string html = "<h3>Transcript</h3><ol class=\"transcript\">";
  for (const auto& turn : record.turns) html += turn_html(turn);
  return html + "</ol>";
}

// ---- waterfall

std::int64_t longest_gap(const record::CallRecord& record) {
  std::int64_t most = 1;
  for (const auto& w : record.waterfalls) {
    for (const auto& stage : kStages) {
      if (w.speech_end_ms && w.*stage.end)
        most = std::max(most, *(w.*stage.end) - *w.speech_end_ms);
    }
  }
  return most;
}

std::string bar(const Waterfall& w, std::int64_t scale) {
  std::string html = "<div class=\"bar\">";
  std::int64_t reached = 0;
  for (const auto& stage : kStages) {
    if (!(w.*stage.end)) continue;
    const auto until = *(w.*stage.end) - *w.speech_end_ms;
    const auto width = std::max<std::int64_t>(until - reached, 0);
    html += fmt::format("<i class=\"{}\" style=\"width:{}\" title=\"{}: {} ms, until {} ms\"></i>",
                        stage.key, percent(static_cast<double>(width), static_cast<double>(scale)),
                        stage.name, width, until);
    reached = std::max(reached, until);
  }
  return html + "</div>";
}

std::string stage_cells(const Waterfall& w) {
  std::string html;
  for (const auto& stage : kStages) {
    html += w.*stage.end
                ? fmt::format("<td class=\"num\">{}</td>", *(w.*stage.end) - *w.speech_end_ms)
                : std::string("<td class=\"num\">–</td>");
  }
  return html;
}

std::string waterfall(const record::CallRecord& record) {
  const auto scale = longest_gap(record);
  std::string rows;
  for (const auto& w : record.waterfalls) {
    if (!w.speech_end_ms) continue;
    const auto said = w.turn < record.turns.size() ? record.turns[w.turn].text : std::string();
    rows += fmt::format(
        "<tr><td class=\"num\"><a class=\"at\" data-at=\"{}\">{}</a></td><td "
        "dir=\"auto\">{}</td><td class=\"wide\">{}</td>{}</tr>",
        *w.speech_end_ms, clock_text(*w.speech_end_ms), isolated(said), bar(w, scale),
        stage_cells(w));
  }
  if (rows.empty()) return {};
  std::string heads;
  for (const auto& stage : kStages) {
    heads += fmt::format("<th class=\"num\" title=\"{}\"><i class=\"key {}\"></i>{}</th>",
                         stage.name, stage.key, stage.title);
  }
  return "<h3>From the last word to the answer</h3><p class=\"note\">Milliseconds from the end of "
         "what the callee said until each step, by the call's sample clock; “heard” is what the "
         "carrier reported as played.</p><div class=\"scroll\"><table class=\"waterfall\"><thead>"
         "<tr><th class=\"num\">at</th><th>callee</th><th class=\"wide\"></th>" +
         heads + "</tr></thead><tbody>" + rows + "</tbody></table></div>";
}

// ---- counters

std::string counters(const record::CallRecord& record) {
  const auto& c = record.counters;
  std::string html = "<h3>Counters</h3><dl class=\"counters\">";
  const auto add = [&](std::string_view name, std::uint64_t value, bool bad = false) {
    html += fmt::format("<div{}><dt>{}</dt><dd>{}</dd></div>",
                        bad && value > 0 ? " class=\"bad\"" : "", escape(name), value);
  };
  for (const auto& field : record::kCounters) add(field.title, c.*field.member, field.bad);
  add("recording lost ms", record.recording.lost_samples / 8, true);
  for (const auto& [reason, count] : c.drops) add("dropped: " + reason, count, true);
  return html + "</dl>";
}

std::string facts(const Call& call) {
  const auto& r = call.record;
  std::string html = "<dl class=\"facts\">";
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
  };
  add("Number", escape(call.number));
  add("Agent", escape(r.agent));
  if (r.answered_at) add("Answered", escape(to_rfc3339(*r.answered_at)));
  add("Length", clock_text(r.duration_ms));
  add("Ended by", escape(r.end_reason));
  add("Outcome", escape(r.outcome));
  for (const auto& [slot, value] : r.answers) add(escape(slot), isolated(value));
  if (const auto gap = quantile(turn_gaps(r), 0.5))
    add("Median answer", fmt::format("{} ms", *gap));
  add("Call", "<code>" + escape(r.call_sid) + "</code>");
  return html + "</dl>";
}

}  // namespace

std::vector<std::int64_t> turn_gaps(const record::CallRecord& record) {
  std::vector<std::int64_t> gaps;
  for (const auto& w : record.waterfalls) {
    if (const auto gap = record::turn_gap_ms(w)) gaps.push_back(*gap);
  }
  return gaps;
}

std::optional<std::int64_t> quantile(std::vector<std::int64_t> values, double share) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

std::string call_section(const Call& call, std::size_t slices) {
  return facts(call) + timeline(call, slices) + transcript(call.record) + waterfall(call.record) +
         counters(call.record);
}

}  // namespace call::report
