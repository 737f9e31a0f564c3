// callctl list watch | wait: progress for people, a verdict for scripts.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cmd/commands.hpp"
#include "cmd/input.hpp"
#include "cmd/list_json.hpp"
#include "cmd/session.hpp"
#include "cmd/tables.hpp"
#include "cmd/text_width.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr auto kPoll = std::chrono::milliseconds(500);

struct WatchOptions {
  std::string list;
  int timeout_s = 0;  ///< 0: none
  std::string expect_column;
};

/// A list that paused itself, which has a reason then, goes on only when somebody tells it to.
bool has_stopped(const store::List& list) {
  return list.state == store::ListState::completed || list.state == store::ListState::cancelled ||
         list.state == store::ListState::failed ||
         (list.state == store::ListState::paused && !list.reason.empty());
}

/// Waiting between two looks: interruptible by signals as any wait is, no busy loop.
void pause_between_looks() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, kPoll, [] { return false; });
}

std::string progress_line(const store::ListSummary& summary) {
  constexpr int kBar = 24;
  const auto& counts = summary.counts;
  const auto done = counts.of(store::EntryState::done);
  const auto active = counts.of(store::EntryState::dialing) + counts.of(store::EntryState::in_call);
  const auto share = [&](std::int64_t n) {
    return counts.total == 0 ? kBar : static_cast<int>(n * kBar / counts.total);
  };
  std::string bar;
  for (int i = 0; i < kBar; ++i)
    bar += i < share(done) ? "█" : i < share(done + active) ? "▒" : "·";
  std::string line = fmt::format(
      "{} {} {}/{} done, {} dialing, {} in call", bar, store::to_string(summary.list.state), done,
      counts.total, counts.of(store::EntryState::dialing), counts.of(store::EntryState::in_call));
  for (int i = 0; i < static_cast<int>(counts.by_outcome.size()); ++i) {
    const auto outcome = static_cast<store::Outcome>(i);
    if (counts.of(outcome) > 0) {
      line += fmt::format(" · {} {}", counts.of(outcome), store::to_string(outcome));
    }
  }
  if (counts.unknown_attempts > 0) line += fmt::format(" · {} UNKNOWN", counts.unknown_attempts);
  if (counts.abandoned_attempts > 0)
    line += fmt::format(" · {} ABANDONED", counts.abandoned_attempts);
  return line;
}

/// Looks until the list has stopped; `each` sees every look whose counts differ from the one before.
template <class F>
Result<store::ListSummary> follow(Session& session, const WatchOptions& options, F each) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  const auto deadline = options.timeout_s > 0
                            ? Deadline::after(std::chrono::seconds(options.timeout_s))
                            : Deadline::never();
  std::string before;
  bool was_away = false;
  for (;;) {
    auto summary = store::list_summary(*connection, tenant.id, list.id);
    if (!summary) {
      const auto code = summary.error().code;
      if (code != Errc::unavailable && code != Errc::closed) return std::move(summary).error();
      if (!was_away) session.warn("{}; still waiting", summary.error().context);
      was_away = true;
    } else {
      was_away = false;
      const auto line = progress_line(*summary);
      if (line != before) each(*summary, line);
      before = line;
      if (has_stopped(summary->list)) return summary;
    }
    if (deadline.passed()) {
      return Error{Errc::conflict, fmt::format("list '{}' is not finished after {} s", list.name,
                                               options.timeout_s)};
    }
    pause_between_looks();
  }
}

Result<Exit> watch(Session& session, const WatchOptions& options) {
  const auto screen = session.screen();
  const bool live = screen.terminal && session.format() == Format::table;
  bool first = true;
  Status printed;
  auto summary =
      follow(session, options, [&](const store::ListSummary& now, const std::string& line) {
        if (!printed) return;
        if (live) {
          printed = print("\r\x1b[K" + fit(line, screen.columns - 1));
        } else if (session.format() == Format::table) {
          printed = print(line + "\n");
        } else {
          printed = print(render_next(table("list ls"), to_json(now), session.format(), screen,
                                      std::exchange(first, false)));
        }
      });
  if (live) CALL_CHECK(print("\n"));
  CALL_CHECK(printed);
  if (!summary) return std::move(summary).error();
  return kDone;
}

/// Whether it ended as its column `column` says; if not, that is said on standard error.
bool is_as_expected(const Session& session, const store::Entry& entry, const std::string& column) {
  const auto variables = json::parse(entry.variables_json, nullptr, false);
  const auto expected =
      variables.is_object() ? variables.value(column, std::string()) : std::string();
  const std::string outcome(entry.outcome ? store::to_string(*entry.outcome) : "none");
  if (expected == outcome) return true;
  session.warn("line {}: {} ended as {}{}, expected {}", entry.seq, session.number(entry.phone_raw),
               outcome, entry.reason.empty() ? "" : " (" + entry.reason + ")",
               expected.empty() ? "nothing: the column is empty" : expected);
  return false;
}

/// How many entries did not end as their column `column` says.
Result<int> compare(Session& session, std::int64_t list_id, const std::string& column) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  int wrong = 0;
  const auto all = std::numeric_limits<std::size_t>::max();
  CALL_CHECK(each_page(*connection, tenant.id, list_id, {}, all, [&](const auto& page) -> Status {
    for (const auto& entry : page) wrong += is_as_expected(session, entry, column) ? 0 : 1;
    return {};
  }));
  return wrong;
}

/// The last word on a list, one line for scripts; also when the time is up, as far as it went.
Status show_verdict(const Session& session, const store::ListSummary& summary, bool timed_out,
                    std::optional<int> unexpected) {
  auto verdict = to_json(summary);
  verdict["timed_out"] = timed_out;
  verdict["unexpected"] = unexpected ? json(*unexpected) : json();
  return print(render_next(columns_of(verdict), verdict, session.format(), session.screen(), true));
}

Result<Exit> wait(Session& session, const WatchOptions& options) {
  const bool live = ::isatty(STDERR_FILENO) != 0 && !session.options.quiet;
  const bool for_scripts = session.format() != Format::table;
  std::optional<store::ListSummary> last;
  auto summary =
      follow(session, options, [&](const store::ListSummary& now, const std::string& line) {
        last = now;
        if (live)
          std::fprintf(stderr, "\r\x1b[K%s", fit(line, session.screen().columns - 1).c_str());
      });
  if (live) std::fputs("\n", stderr);
  if (!summary) {
    const bool timed_out = summary.error().code == Errc::conflict;
    if (timed_out && last && for_scripts)
      CALL_CHECK(show_verdict(session, *last, true, std::nullopt));
    return std::move(summary).error();
  }

  Exit exit = summary->list.state == store::ListState::completed ? kDone : kFailed;
  std::optional<int> unexpected;
  if (!options.expect_column.empty()) {
    CALL_TRY(unexpected, compare(session, summary->list.id, options.expect_column));
    if (*unexpected > 0) exit = kFailed;
  }
  if (summary->counts.unknown_attempts + summary->counts.abandoned_attempts > 0)
    exit = kUnknownAttempts;
  if (for_scripts) {
    CALL_CHECK(show_verdict(session, *summary, false, unexpected));
  } else {
    session.say("{}", progress_line(*summary));
  }
  return exit;
}

}  // namespace

void add_watch_commands(CLI::App& list, Session& session) {
  const auto add = [&](const char* name, const char* help,
                       Result<Exit> (*run)(Session&, const WatchOptions&)) {
    auto* command = list.add_subcommand(name, help);
    auto options = std::make_shared<WatchOptions>();
    command->add_option("list", options->list, "Name or id")->required()->type_name("LIST");
    command->add_option("--timeout", options->timeout_s, "Give up after so long (exit 1)")
        ->type_name("TIME")
        ->transform(as_seconds())
        ->check(CLI::Range(1, 30 * 86400));
    command->callback([&session, options, run] {
      session.action = [&session, options, run] { return run(session, *options); };
    });
    return std::pair(command, options);
  };
  add("watch", "Show progress until the list is finished", watch);
  const auto [command, options] = add(
      "wait",
      "Wait until the list is finished: 0 completed, 1 not, 10 with unknown or abandoned attempts",
      wait);
  command
      ->add_option(
          "--expect", options->expect_column,
          "Compare each outcome with this column of the imported file; exit 1 if one differs")
      ->type_name("COLUMN");
}

}  // namespace call::cmd
