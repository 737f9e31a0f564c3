#include "cmd/top_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cmd/list_json.hpp"
#include "cmd/text_width.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;
using store::AttemptState;

constexpr const char* kBold = "\x1b[1m";
constexpr const char* kDim = "\x1b[2m";
constexpr const char* kRed = "\x1b[31m";
constexpr const char* kGreen = "\x1b[32m";
constexpr const char* kReset = "\x1b[0m";

std::string paint(const TopStyle& style, const char* colour, std::string text) {
  return style.colour ? colour + std::move(text) + kReset : text;
}

/// Cut or filled to exactly `columns`.
std::string cell(std::string_view text, std::size_t columns, bool right = false) {
  auto out = fit(printable(text), columns);
  const std::string space(columns - display_width(out), ' ');
  return right ? space + out : out + space;
}

std::string span_text(std::int64_t seconds) {
  seconds = std::max<std::int64_t>(seconds, 0);
  if (seconds < 3600) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::int64_t age_s(WallTime now, const std::optional<WallTime>& since) {
  return since ? std::chrono::duration_cast<std::chrono::seconds>(now - *since).count() : 0;
}

/// What an operator calls it: the carrier's word where there is one, else ours.
std::string call_state(const store::Attempt& call) {
  if (call.state == AttemptState::placed && call.status) {
    return std::string(store::to_string(*call.status));
  }
  return std::string(store::to_string(call.state));
}

bool in_conversation(const store::Attempt& call) {
  return call.state == AttemptState::placed && call.status == store::CallStatus::in_progress;
}

struct Part {
  std::string title;
  std::string head;
  std::vector<std::string> rows;
};

Part calls_part(const Look& look, std::size_t columns) {
  std::map<std::int64_t, std::string_view> names;
  for (const auto& summary : look.lists) names[summary.list.id] = summary.list.name;
  const auto talking = std::ranges::count_if(look.calls, in_conversation);
  const auto unknown =
      std::ranges::count(look.calls, AttemptState::unknown, &store::Attempt::state);
  Part part;
  part.title = fmt::format("CALLS  {} open, {} in conversation", look.calls.size(), talking);
  if (unknown > 0) part.title += fmt::format(", {} UNKNOWN", unknown);
  const auto list_width = columns > 90 ? std::size_t{24} : std::size_t{14};
  part.head = fmt::format("  {:>8}  {:<12}  {}  {}  {}", "TIME", "STATE", cell("LIST", list_width),
                          cell("TO", 16), "CALL");
  for (const auto& call : look.calls) {
    const auto since = call.answered_at ? call.answered_at
                       : call.sent_at   ? call.sent_at
                                        : std::optional(call.created_at);
    const auto name = names.find(call.list_id);
    const auto list =
        name == names.end() ? "#" + std::to_string(call.list_id) : std::string(name->second);
    part.rows.push_back(fmt::format("  {:>8}  {}  {}  {}  {}", span_text(age_s(look.at, since)),
                                    cell(call_state(call), 12), cell(list, list_width),
                                    cell(call.to_number, 16), printable(call.call_sid)));
  }
  return part;
}

std::string progress(const store::ListCounts& counts, std::size_t width) {
  const auto share = [&](std::int64_t n) {
    return counts.total == 0
               ? std::size_t{0}
               : static_cast<std::size_t>(n) * width / static_cast<std::size_t>(counts.total);
  };
  const auto done = share(counts.of(store::EntryState::done));
  const auto begun =
      share(counts.of(store::EntryState::done) + counts.of(store::EntryState::dialing) +
            counts.of(store::EntryState::in_call));
  std::string bar;
  for (std::size_t i = 0; i < width; ++i) bar += i < done ? "█" : i < begun ? "▒" : "·";
  return bar;
}

Part lists_part(const Look& look, std::size_t columns) {
  Part part;
  const auto running = std::ranges::count_if(look.lists, [](const auto& summary) {
    return summary.list.state == store::ListState::running;
  });
  part.title = fmt::format("LISTS  {} running", running);
  const auto width = std::clamp<std::size_t>(columns / 6, 8, 24);
  part.head = fmt::format("  {}  {:<9}  {}  {:>13}  {}", cell("NAME", 20), "STATE",
                          cell("PROGRESS", width), "DONE", "OUTCOMES");
  // Those that move come first.
  auto lists = look.lists;
  std::ranges::stable_sort(lists, {}, [](const store::ListSummary& s) {
    return s.list.state == store::ListState::running  ? 0
           : s.list.state == store::ListState::paused ? 1
                                                      : 2;
  });
  for (const auto& [list, counts] : lists) {
    std::string outcomes;
    for (std::size_t i = 0; i < counts.by_outcome.size(); ++i) {
      const auto outcome = static_cast<store::Outcome>(i);
      if (counts.of(outcome) == 0) continue;
      outcomes += fmt::format("{}{} {}", outcomes.empty() ? "" : " · ", counts.of(outcome),
                              store::to_string(outcome));
    }
    if (counts.unknown_attempts > 0) {
      outcomes += fmt::format(" · {} UNKNOWN", counts.unknown_attempts);
    }
    if (counts.abandoned_attempts > 0)
      outcomes += fmt::format(" · {} ABANDONED", counts.abandoned_attempts);
    const auto done = fmt::format("{}/{}", counts.of(store::EntryState::done), counts.total);
    part.rows.push_back(fmt::format("  {}  {:<9}  {}  {:>13}  {}", cell(list.name, 20),
                                    store::to_string(list.state), progress(counts, width), done,
                                    outcomes));
  }
  return part;
}

Part queues_part(const Look& look) {
  Part part;
  part.title = "QUEUES";
  part.head = fmt::format("  {}  {:>7}  {:>8}  {:>8}  {:>7}  {:>10}  {:>8}", cell("NAME", 20),
                          "QUEUED", "OLDEST", "STARTED", "FAILED", "SCHEDULED", "WORKERS");
  for (const auto& queue : look.queues) {
    part.rows.push_back(fmt::format("  {}  {:>7}  {:>8}  {:>8}  {:>7}  {:>10}  {:>8}",
                                    cell(queue.name, 20), queue.queued,
                                    queue.oldest_age ? span_text(queue.oldest_age->count()) : "-",
                                    queue.started, queue.failed, queue.scheduled, queue.workers));
  }
  return part;
}

Part workers_part(const Look& look) {
  Part part;
  part.title = fmt::format("WORKERS  {}", look.workers.size());
  part.head = fmt::format("  {}  {:<10}  {:>6}  {:>8}  {:>7}  {}", cell("NAME", 28), "STATE",
                          "BEAT", "DONE", "FAILED", "JOB");
  for (const auto& worker : look.workers) {
    part.rows.push_back(fmt::format(
        "  {}  {:<10}  {:>6}  {:>8}  {:>7}  {}", cell(worker.name, 28), printable(worker.state),
        worker.heartbeat_age ? fmt::format("{} s", worker.heartbeat_age->count()) : "-",
        worker.succeeded, worker.failed, printable(worker.current_job)));
  }
  return part;
}

/// Lines of a part that shows `rows` of its rows.
std::size_t height(const Part& part, std::size_t rows) {
  const bool cut = rows < part.rows.size();
  return 2 + rows + (cut ? 1 : 0) + (part.rows.empty() ? 0 : 1);
}

/// The longest part gives way until all fit.
std::vector<std::size_t> share_rows(const std::vector<Part>& parts, std::size_t room) {
  std::vector<std::size_t> rows;
  for (const auto& part : parts) rows.push_back(part.rows.size());
  for (;;) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) total += height(parts[i], rows[i]);
    if (total <= room) return rows;
    const auto longest = std::ranges::max_element(rows);
    if (*longest == 0) return rows;
    --*longest;
  }
}

std::string health(const TopStyle& style, const char* name, const std::optional<std::string>& bad) {
  return std::string(name) + " " + (bad ? paint(style, kRed, "AWAY") : paint(style, kGreen, "ok"));
}

json calls_json(const Look& look) {
  json calls = json::array();
  for (const auto& call : look.calls) {
    calls.push_back({{"attempt", call.id},
                     {"list", call.list_id},
                     {"entry", call.entry_id},
                     {"state", store::to_string(call.state)},
                     {"status", call.status ? json(store::to_string(*call.status)) : json()},
                     {"to", call.to_number},
                     {"call_sid", call.call_sid.empty() ? json() : json(call.call_sid)},
                     {"created_at", to_rfc3339(call.created_at)},
                     {"answered_at", time_or_null(call.answered_at)}});
  }
  return calls;
}

}  // namespace

std::vector<std::string> draw_top(const Look& look, const Size& size, const TopStyle& style) {
  std::vector<std::string> lines;
  std::string head = paint(style, kBold, "calld") + "  " + to_rfc3339(look.at) + "  tenant " +
                     printable(look.tenant) + "  " +
                     health(style, "postgresql", look.database_error) + "  " +
                     health(style, "redis", look.redis_error);
  if (style.paused) head += "  PAUSED";
  lines.push_back(head);
  for (const auto& error : {look.database_error, look.redis_error}) {
    if (error) lines.push_back(paint(style, kRed, fit(printable(*error), size.columns)));
  }
  const std::size_t reserved = style.keys ? 1 : 0;
  lines.emplace_back();
  const std::vector<Part> parts = {calls_part(look, size.columns), lists_part(look, size.columns),
                                   queues_part(look), workers_part(look)};
  const auto used = lines.size() + reserved;
  const auto rows = share_rows(parts, size.rows > used ? size.rows - used : 0);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts[i];
    lines.push_back(paint(style, kBold, fit(part.title, size.columns)));
    if (!part.rows.empty()) lines.push_back(paint(style, kDim, fit(part.head, size.columns)));
    for (std::size_t k = 0; k < rows[i]; ++k) lines.push_back(fit(part.rows[k], size.columns));
    if (rows[i] < part.rows.size()) {
      lines.push_back(fmt::format("  … {} more", part.rows.size() - rows[i]));
    }
    lines.emplace_back();
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  if (lines.size() + reserved > size.rows) lines.resize(size.rows - std::min(reserved, size.rows));
  if (style.keys) {
    while (lines.size() + 1 < size.rows) lines.emplace_back();
    lines.push_back(paint(style, kDim, fit("q quit   space pause   r look now", size.columns)));
  }
  return lines;
}

json to_json(const Look& look) {
  json lists = json::array();
  for (const auto& summary : look.lists) lists.push_back(to_json(summary));
  json queues = json::array();
  for (const auto& q : look.queues) {
    queues.push_back({{"name", q.name},
                      {"queued", q.queued},
                      {"oldest_s", q.oldest_age ? json(q.oldest_age->count()) : json()},
                      {"started", q.started},
                      {"failed", q.failed},
                      {"scheduled", q.scheduled},
                      {"workers", q.workers}});
  }
  json workers = json::array();
  for (const auto& w : look.workers) {
    workers.push_back({{"name", w.name},
                       {"state", w.state},
                       {"job", w.current_job.empty() ? json() : json(w.current_job)},
                       {"heartbeat_s", w.heartbeat_age ? json(w.heartbeat_age->count()) : json()},
                       {"succeeded", w.succeeded},
                       {"failed", w.failed}});
  }
  return {{"version", 1},
          {"at", to_rfc3339(look.at, 3)},
          {"tenant", look.tenant},
          {"database_error", look.database_error ? json(*look.database_error) : json()},
          {"redis_error", look.redis_error ? json(*look.redis_error) : json()},
          {"calls", calls_json(look)},
          {"lists", std::move(lists)},
          {"queues", std::move(queues)},
          {"workers", std::move(workers)}};
}

}  // namespace call::cmd
