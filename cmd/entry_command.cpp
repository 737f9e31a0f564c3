// callctl list entries | export: what became of each row.
#include <nlohmann/json.hpp>
#include <set>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct EntryOptions {
  std::string list;
  std::string state;
  std::string outcome;
};

struct Selected {
  store::List list;
  std::vector<store::Entry> entries;
};

Result<Selected> select(Session& session, const EntryOptions& options) {
  store::EntryFilter filter;
  if (!options.state.empty()) {
    filter.state = store::parse_entry_state(options.state);
    if (!filter.state) {
      return Error{Errc::invalid_argument,
                   fmt::format("'{}' is no state: pending, dialing, in_call, retry_wait or done",
                               options.state)};
    }
  }
  if (!options.outcome.empty()) {
    filter.outcome = store::parse_outcome(options.outcome);
    if (!filter.outcome) {
      return Error{Errc::invalid_argument,
                   fmt::format("'{}' is no outcome: completed, busy, no_answer, failed, "
                               "machine, cancelled, refused or expired",
                               options.outcome)};
    }
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(auto list, store::find_list(*connection, tenant.id, options.list));
  CALL_TRY(auto entries, all_entries(*connection, tenant.id, list.id, filter));
  return Selected{std::move(list), std::move(entries)};
}

Result<Exit> list_entries(Session& session, const EntryOptions& options) {
  CALL_TRY(const auto selected, select(session, options));
  json rows = json::array();
  for (const auto& entry : selected.entries) rows.push_back(to_json(entry, session, false));
  CALL_CHECK(session.show(table("list entries"), rows));
  return kDone;
}

/// Everything, numbers in full, each variable of the imported file as a column of its own.
Result<Exit> export_entries(Session& session, const EntryOptions& options) {
  CALL_TRY(const auto selected, select(session, options));
  json rows = json::array();
  std::set<std::string> variables;
  for (const auto& entry : selected.entries) {
    auto row = to_json(entry, session, true);
    if (row["variables"].is_object()) {
      for (const auto& [name, value] : row["variables"].items()) {
        variables.insert(name);
        row["var." + name] = value;
      }
    }
    row["phone_raw"] = entry.phone_raw;
    rows.push_back(std::move(row));
  }
  auto columns = table("list entries");
  columns.insert(columns.begin() + 2, {"phone_raw", ""});
  for (const auto& name : variables) columns.push_back({"var." + name, ""});
  const auto format = session.options.format == "table" ? Format::csv : session.format();
  CALL_CHECK(print(render(columns, rows, format, session.screen())));
  return kDone;
}

void declare(CLI::App& command, EntryOptions& options) {
  command.add_option("list", options.list, "Name or id")->required()->type_name("LIST");
  command.add_option("--state", options.state, "Only in this state")->type_name("STATE");
  command.add_option("--outcome", options.outcome, "Only with this outcome")->type_name("OUTCOME");
}

}  // namespace

void add_entry_commands(CLI::App& list, Session& session) {
  add_command<EntryOptions>(list, session, "entries", "Every entry with its state and outcome",
                            declare, list_entries);
  add_command<EntryOptions>(list, session, "export",
                            "Every entry with all its columns; CSV unless -o says otherwise",
                            declare, export_entries);
}

}  // namespace call::cmd
