// callctl report: a call or a list as one HTML file, on standard output.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/recording.hpp"
#include "cmd/version.hpp"
#include "core/report/page.hpp"
#include "core/store/records.hpp"

namespace call::cmd {
namespace {

/// A browser copes with more, a mail server does not.
constexpr int kDefaultAudioMib = 48;
constexpr std::size_t kMostEntries = 5000;
constexpr int kMostCalls = 1000;

struct CallOptions {
  std::string call;
  bool no_audio = false;
};

struct ListOptions {
  std::string list;
  int audio_mib = kDefaultAudioMib;
};

report::Maker maker() {
  return {kVersion, wall_now()};
}

Status check_output(const Session& session) {
  CALL_CHECK(refuse_format(session, "an HTML file"));
  if (!session.screen().terminal) return {};
  return Error{
      Errc::invalid_argument,
      "the report is an HTML file: send it to one, as in callctl report ... > report.html"};
}

Result<report::Call> report_call(const Session& session, const store::CallRecordRow& row) {
  report::Call call;
  CALL_TRY(call.record, record::from_json_text(row.record.record_json));
  auto found = find_recording(call.record, row.record.path);
  call.audio = std::move(found.wav);
  call.audio_note = std::move(found.why_not);
  call.name = row.name;
  if (!call.record.to.empty()) call.number = session.number(call.record.to);
  return call;
}

Result<Exit> print_call(Session& session, const CallOptions& options) {
  CALL_CHECK(check_output(session));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto row, store::find_call_record(*connection, tenant.id, options.call));
  CALL_TRY(auto call, report_call(session, row));
  call.embed_audio = !options.no_audio;
  CALL_CHECK(print(report::call_page(call, maker())));
  return kDone;
}

report::List head_of(const store::ListSummary& summary) {
  report::List list;
  list.name = summary.list.name;
  list.tenant = summary.list.tenant;
  list.state = store::to_string(summary.list.state);
  list.agent = summary.list.settings.agent;
  list.created_at = summary.list.created_at;
  list.started_at = summary.list.started_at;
  list.finished_at = summary.list.finished_at;
  list.total = summary.counts.total;
  list.attempts = summary.counts.attempts;
  list.unknown_attempts = summary.counts.unknown_attempts;
  list.open = summary.counts.total - summary.counts.of(store::EntryState::done);
  for (std::size_t i = 0; i < summary.counts.by_outcome.size(); ++i) {
    const auto outcome = static_cast<store::Outcome>(i);
    list.outcomes.emplace_back(store::to_string(outcome), summary.counts.of(outcome));
  }
  return list;
}

report::Entry report_entry(const Session& session, const store::Entry& entry) {
  report::Entry out;
  out.seq = entry.seq;
  out.name = entry.name;
  out.number = session.number(entry.phone.empty() ? entry.phone_raw : entry.phone);
  out.state = store::to_string(entry.state);
  if (entry.outcome) out.outcome = store::to_string(*entry.outcome);
  out.reason = entry.reason;
  out.attempts = entry.attempts;
  if (entry.last_attempt) out.call_sid = entry.last_attempt->call_sid;
  return out;
}

/// The first entries and the newest calls, oldest first; audio as long as there is room for it.
Status fill(Session& session, store::Connection& connection, std::int64_t list_id,
            const ListOptions& options, report::List& list) {
  CALL_TRY(const auto tenant, session.tenant());
  store::EntryFilter filter;
  filter.limit = static_cast<int>(kMostEntries);
  CALL_TRY(const auto entries, store::entries(connection, tenant.id, list_id, filter));
  for (const auto& entry : entries) list.entries.push_back(report_entry(session, entry));
  CALL_TRY(auto rows, store::call_records(connection, tenant.id, list_id, kMostCalls));
  std::ranges::reverse(rows);
  std::size_t left = static_cast<std::size_t>(options.audio_mib) << 20;
  std::size_t silent = 0;
  for (const auto& summary : rows) {
    CALL_TRY(const auto row,
             store::find_call_record(connection, tenant.id, summary.record.call_sid));
    CALL_TRY(auto call, report_call(session, row));
    const auto bytes = call.audio ? call.audio->samples.size() * 4 / 3 : 0;
    call.embed_audio = bytes <= left;
    if (call.embed_audio) {
      left -= bytes;
    } else {
      ++silent;
      call.audio_note =
          "The audio is not in this file; callctl report call " + call.record.call_sid + " has it.";
    }
    list.calls.push_back(std::move(call));
  }
  std::vector<std::string> notes;
  if (list.total > static_cast<std::int64_t>(entries.size())) {
    notes.push_back(
        fmt::format("The first {} of {} entries are shown; callctl list export has all.",
                    entries.size(), list.total));
  }
  if (rows.size() == kMostCalls) {
    notes.push_back(fmt::format("Only the newest {} conversations are shown.", kMostCalls));
  }
  if (silent > 0) {
    notes.push_back(
        fmt::format("{} conversations are without their audio, which would have made "
                    "this file larger than {} MiB.",
                    silent, options.audio_mib));
  }
  list.note = fmt::format("{}", fmt::join(notes, " "));
  return {};
}

Result<Exit> print_list(Session& session, const ListOptions& options) {
  CALL_CHECK(check_output(session));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto found, store::find_list(*connection, tenant.id, options.list));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, found.id));
  auto list = head_of(summary);
  CALL_CHECK(fill(session, *connection, found.id, options, list));
  CALL_CHECK(print(report::list_page(list, maker())));
  return kDone;
}

}  // namespace

void add_report_commands(CLI::App& app, Session& session) {
  auto* report = add_group(app, "report", "Calls and lists as HTML files, with the audio inside");
  add_command<CallOptions>(
      *report, session, "call", "One conversation: player, timeline, transcript, waterfall",
      [](CLI::App& command, CallOptions& options) {
        command.add_option("call", options.call, "Call SID or attempt id")
            ->required()
            ->type_name("CALL");
        command.add_flag("--no-audio", options.no_audio, "Draw the sound, but leave it out");
      },
      print_call);
  add_command<ListOptions>(
      *report, session, "list", "A list: outcomes, answers, every entry, every conversation",
      [](CLI::App& command, ListOptions& options) {
        command.add_option("list", options.list, "Name or id")->required()->type_name("LIST");
        command
            .add_option("--audio-mib", options.audio_mib,
                        "Most audio in the file; later conversations go without")
            ->type_name("N")
            ->check(CLI::Range(0, 2000))
            ->capture_default_str();
      },
      print_list);
}

}  // namespace call::cmd
