#include "core/report/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/base/strings.hpp"
#include "core/report/assets.hpp"
#include "core/report/call_section.hpp"
#include "core/report/html.hpp"

namespace call::report {
namespace {

constexpr std::size_t kSlicesAlone = 800;
constexpr std::size_t kSlicesInList = 300;

/// The policy allows what is in the file and nothing else.
std::string page(std::string_view title, std::string_view body, const Maker& maker) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'; media-src data:\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><title>";
  html += escape(title);
  html += "</title><style>";
  html += page_css();
  html += "</style></head><body><main>";
  html += body;
  html += fmt::format("</main><footer>calld {} · {}</footer><script>", escape(maker.version),
                      to_rfc3339(maker.at));
  html += page_js();
  return html + "</script></body></html>\n";
}

std::string badge(std::string_view word) {
  return fmt::format("<span class=\"badge {0}\">{0}</span>", escape(word));
}

std::string person(const std::string& name, const std::string& number) {
  return isolated(!name.empty() ? name : !number.empty() ? number : "unknown");
}

// ---- a list

std::string tile(std::string_view name, const std::string& value, std::string_view note = {}) {
  std::string html = fmt::format("<div><dt>{}</dt><dd>{}</dd>", name, value);
  if (!note.empty()) html += fmt::format("<small>{}</small>", note);
  return html + "</div>";
}

std::string tiles(const List& list) {
  std::vector<std::int64_t> gaps;
  std::int64_t talk_ms = 0;
  for (const auto& call : list.calls) {
    const auto more = turn_gaps(call.record);
    gaps.insert(gaps.end(), more.begin(), more.end());
    talk_ms += call.record.duration_ms;
  }
  std::string html = "<dl class=\"tiles\">";
  html += tile("entries", fmt::to_string(list.total),
               list.open > 0 ? fmt::format("{} not done", list.open) : "all done");
  html += tile("attempts", fmt::to_string(list.attempts),
               list.unknown_attempts > 0 ? fmt::format("{} unknown", list.unknown_attempts) : "");
  html += tile("conversations", fmt::to_string(list.calls.size()));
  if (!list.calls.empty()) {
    const auto mean = talk_ms / static_cast<std::int64_t>(list.calls.size());
    html += tile("mean length", clock_text(mean));
  }
  if (const auto median = quantile(gaps, 0.5)) {
    html += tile("median answer", fmt::format("{} ms", *median),
                 fmt::format("90 % under {} ms, of {}", *quantile(gaps, 0.9), gaps.size()));
  }
  return html + "</dl>";
}

std::string outcomes(const List& list) {
  std::string bar;
  std::string rows;
  const auto add = [&](std::string_view name, std::int64_t count) {
    if (count == 0) return;
    const auto share = percent(static_cast<double>(count), static_cast<double>(list.total));
    bar += fmt::format("<i class=\"{0}\" style=\"width:{1}\" title=\"{0}: {2}\"></i>", escape(name),
                       share, count);
    std::map<std::string, int> reasons;
    for (const auto& entry : list.entries) {
      if (entry.outcome == name && !entry.reason.empty()) ++reasons[entry.reason];
    }
    std::vector<std::string> why;
    for (const auto& [reason, n] : reasons)
      why.push_back(fmt::format("{} × {}", n, escape(reason)));
    rows += fmt::format(
        "<tr><td><i class=\"key {0}\"></i>{0}</td><td class=\"num\">{1}</td><td "
        "class=\"num\">{2:.1f} %</td><td>{3}</td></tr>",
        escape(name), count,
        100 * static_cast<double>(count) /
            static_cast<double>(std::max<std::int64_t>(list.total, 1)),
        join(why, ", "));
  };
  for (const auto& [name, count] : list.outcomes) add(name, count);
  add("open", list.open);
  return "<h2>Outcomes</h2><div class=\"bar outcomes\">" + bar +
         "</div><table class=\"outcome-table\"><thead><tr><th>outcome</th><th "
         "class=\"num\">entries</th><th "
         "class=\"num\">share</th><th>reasons</th></tr></thead><tbody>" +
         rows + "</tbody></table>";
}

/// What the callees answered, slot by slot.
std::string answers(const List& list) {
  std::map<std::string, std::map<std::string, std::int64_t>> slots;
  for (const auto& call : list.calls) {
    for (const auto& [slot, value] : call.record.answers) ++slots[slot][value];
  }
  if (slots.empty()) return {};
  constexpr std::size_t kMostValues = 12;
  std::string html = "<h2>Answers</h2><div class=\"answers\">";
  for (const auto& [slot, values] : slots) {
    std::int64_t most = 1;
    std::int64_t sum = 0;
    for (const auto& [value, count] : values) {
      most = std::max(most, count);
      sum += count;
    }
    html += fmt::format("<section><h3>{}</h3><table>", isolated(slot));
    std::size_t shown = 0;
    for (const auto& [value, count] : values) {
      if (++shown > kMostValues) break;
      html += fmt::format(
          "<tr><td dir=\"auto\">{}</td><td class=\"wide\"><div class=\"bar\"><i class=\"answer\" "
          "style=\"width:{}\"></i></div></td><td class=\"num\">{}</td></tr>",
          isolated(value), percent(static_cast<double>(count), static_cast<double>(most)), count);
    }
    html += fmt::format("</table><small>{} answers{}</small></section>", sum,
                        values.size() > kMostValues
                            ? fmt::format(", {} values not shown", values.size() - kMostValues)
                            : "");
  }
  return html + "</div>";
}

std::string entry_rows(const List& list) {
  std::map<std::string_view, const Call*> calls;
  for (const auto& call : list.calls) calls[call.record.call_sid] = &call;
  std::string html;
  for (const auto& entry : list.entries) {
    const auto at = calls.find(entry.call_sid);
    const Call* call = entry.call_sid.empty() || at == calls.end() ? nullptr : at->second;
    const auto name = isolated(entry.name);
    const auto gap = call ? quantile(turn_gaps(call->record), 0.5) : std::nullopt;
    html += fmt::format(
        "<tr><td class=\"num\">{}</td><td dir=\"auto\">{}</td><td>{}</td><td>{}</td><td>{}</td><td "
        "class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
        entry.seq,
        call ? fmt::format("<a href=\"#call-{}\">{}</a>", escape(entry.call_sid), name) : name,
        escape(entry.number), badge(entry.outcome.empty() ? entry.state : entry.outcome),
        escape(entry.reason), entry.attempts,
        call ? clock_text(call->record.duration_ms) : std::string("–"),
        gap ? fmt::to_string(*gap) : std::string("–"));
  }
  return html;
}

std::string entries(const List& list) {
  return "<h2>Entries</h2><div class=\"scroll\"><table class=\"entries\"><thead><tr><th "
         "class=\"num\">#</th><th>name</th><th>number</th><th>outcome</th><th>reason</th><th "
         "class=\"num\">attempts</th><th class=\"num\">length</th><th class=\"num\">answer "
         "ms</th></tr></thead><tbody>" +
         entry_rows(list) + "</tbody></table></div>";
}

std::string conversations(const List& list) {
  if (list.calls.empty()) return {};
  std::string html = "<h2>Conversations</h2>";
  for (const auto& call : list.calls) {
    html += fmt::format(
        "<details id=\"call-{}\"><summary>{}<span>{} · {}</span>{}</summary>{}</details>",
        escape(call.record.call_sid), person(call.name, call.number),
        clock_text(call.record.duration_ms), escape(call.record.end_reason),
        call.record.outcome.empty() ? "" : badge(call.record.outcome),
        call_section(call, kSlicesInList));
  }
  return html;
}

std::string when(std::string_view what, const std::optional<WallTime>& time) {
  return time ? fmt::format(" · {} {}", what, to_rfc3339(*time)) : std::string();
}

}  // namespace

std::string call_page(const Call& call, const Maker& maker) {
  const auto who = person(call.name, call.number);
  const auto& outcome = call.record.outcome;
  const auto body = fmt::format(
      "<header><p>Conversation</p><h1>{}{}</h1></header><section class=\"call\" "
      "id=\"call-{}\">{}</section>",
      who, outcome.empty() ? "" : badge(outcome), escape(call.record.call_sid),
      call_section(call, kSlicesAlone));
  return page("Call " + (call.name.empty() ? call.record.call_sid : call.name), body, maker);
}

std::string list_page(const List& list, const Maker& maker) {
  std::string body =
      fmt::format("<header><p>List · tenant {} · agent {}{}{}{}</p><h1>{}{}</h1></header>",
                  isolated(list.tenant), isolated(list.agent), when("created", list.created_at),
                  when("started", list.started_at), when("finished", list.finished_at),
                  isolated(list.name), badge(list.state));
  body += tiles(list) + outcomes(list) + answers(list) + entries(list) + conversations(list);
  if (!list.note.empty()) body += fmt::format("<p class=\"note\">{}</p>", escape(list.note));
  return page("List " + list.name, body, maker);
}

}  // namespace call::report
