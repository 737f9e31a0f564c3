// callctl call: conversations that were held.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/recording.hpp"
#include "cmd/tables.hpp"
#include "cmd/text_width.hpp"
#include "cmd/timeline.hpp"
#include "cmd/waterfall.hpp"
#include "core/record/call_record.hpp"
#include "core/record/folder.hpp"
#include "core/store/records.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct ListOptions {
  std::string list;
  Limit limit{100};
};

struct ShowOptions {
  std::string call;
};

Result<Exit> list_calls(Session& session, const ListOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  std::optional<std::int64_t> list_id;
  if (!options.list.empty()) {
    CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
    list_id = list.id;
  }
  CALL_TRY(const auto records,
           store::call_records(*connection, tenant.id, list_id, options.limit.wanted()));
  json rows = json::array();
  for (const auto& row : records) {
    rows.push_back({{"call_sid", row.record.call_sid},
                    {"list", row.list_id ? json(*row.list_id) : json()},
                    {"entry", row.entry_id ? json(*row.entry_id) : json()},
                    {"agent", row.record.agent},
                    {"started_at", to_rfc3339(row.record.started_at)},
                    {"duration_s", static_cast<double>(row.record.duration.count() / 100) / 10},
                    {"turns", row.record.turns},
                    {"end_reason", row.record.end_reason},
                    {"path", row.record.path}});
  }
  CALL_CHECK(session.show_some(table("call ls"), std::move(rows), options.limit));
  return kDone;
}

std::string heading(const record::CallRecord& call, const store::CallRecordRow& row,
                    const Session& session) {
  std::string text = fmt::format("{}  agent {}  {}  {:.1f} s  ended by {}", call.call_sid,
                                 call.agent, to_rfc3339(row.record.started_at),
                                 static_cast<double>(call.duration_ms) / 1000, call.end_reason);
  if (!row.name.empty()) text += "  with " + row.name;
  if (!call.to.empty()) text += "  to " + session.number(call.to);
  if (!call.outcome.empty()) text += "  outcome " + call.outcome;
  for (const auto& [slot, value] : call.answers) text += fmt::format("  {}={}", slot, value);
  return printable(text) + "\n";
}

std::string files(const std::string& folder) {
  std::string text;
  for (const auto name : {record::kAudioFile, record::kTranscriptFile, record::kRecordFile}) {
    text += fmt::format("  {}/{}\n", printable(folder), name);
  }
  return text;
}

Result<Exit> show_call(Session& session, const ShowOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto row, store::find_call_record(*connection, tenant.id, options.call));
  if (session.format() != Format::table) {
    auto object = json::parse(row.record.record_json, nullptr, false);
    object["path"] = row.record.path;
    for (const auto* side : {"from", "to"}) object[side] = session.number(object.value(side, ""));
    CALL_CHECK(session.show_one({{"call_sid", "call_sid"},
                                 {"agent", "agent"},
                                 {"end_reason", "end_reason"},
                                 {"duration_ms", "duration_ms"},
                                 {"path", "path"}},
                                object));
    return kDone;
  }
  CALL_TRY(const auto call, record::from_json_text(row.record.record_json));
  const auto screen = session.screen();
  const auto found = find_recording(call, row.record.path);
  if (!found.wav) session.say("{}", found.why_not);
  CALL_CHECK(print(heading(call, row, session) + "\n" + draw_transcript(call, screen) + "\n" +
                   draw_timeline(call, found.wav ? &*found.wav : nullptr, screen) + "\n" +
                   draw_waterfall(call, screen) + "\n" + files(row.record.path)));
  return kDone;
}

}  // namespace

void add_call_commands(CLI::App& app, Session& session) {
  auto* call = add_group(app, "call", "Conversations that were held");
  add_command<ListOptions>(
      *call, session, "ls", "Calls with a record, newest first",
      [](CLI::App& command, ListOptions& options) {
        command.add_option("--list", options.list, "Only of this list")->type_name("LIST");
        declare_limit(command, options.limit);
      },
      list_calls);
  add_command<ShowOptions>(
      *call, session, "show",
      "Transcript, timeline, waterfall of every turn, and where the files are",
      [](CLI::App& command, ShowOptions& options) {
        command.add_option("call", options.call, "Call SID or attempt id")
            ->required()
            ->type_name("CALL");
      },
      show_call);
  add_replay_command(*call, session);
}

}  // namespace call::cmd
