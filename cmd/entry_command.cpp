// callctl list entries | export: what became of each row.
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

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
  Limit limit{1000};
};

Result<store::EntryFilter> filter_of(const EntryOptions& options) {
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
  return filter;
}

Result<Exit> list_entries(Session& session, const EntryOptions& options) {
  CALL_TRY(auto filter, filter_of(options));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  json rows = json::array();
  const auto wanted = static_cast<std::size_t>(options.limit.wanted());
  CALL_CHECK(each_page(*connection, tenant.id, list.id, filter, wanted, [&](const auto& page) {
    for (const auto& entry : page) rows.push_back(to_json(entry, session, false));
    return Status();
  }));
  CALL_CHECK(session.show_some(table("list entries"), std::move(rows), options.limit));
  return kDone;
}

json exported(const store::Entry& entry, const Session& session) {
  auto row = to_json(entry, session, true);
  if (row["variables"].is_object()) {
    for (const auto& [name, value] : row["variables"].items()) row["var." + name] = value;
  }
  row["phone_raw"] = entry.phone_raw;
  return row;
}

/// Everything, numbers in full, each variable of the imported file as a column of its own. A page at a time, but for
/// the two formats that are one document.
Result<Exit> export_entries(Session& session, const EntryOptions& options) {
  CALL_TRY(const auto filter, filter_of(options));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  auto columns = table("list entries");
  columns.insert(columns.begin() + 2, {"phone_raw", ""});
  CALL_TRY(const auto names, store::variable_names(*connection, tenant.id, list.id));
  for (const auto& name : names) columns.push_back({"var." + name, ""});
  const auto format = session.options.format == "table" ? Format::csv : session.format();
  const auto screen = session.screen();
  const bool streamed = format != Format::json;
  // The header once, also when there is no row.
  const auto header =
      format == Format::csv ? render(columns, json::array(), format, screen) : std::string();
  CALL_CHECK(print(header));
  json rows = json::array();
  const auto all = std::numeric_limits<std::size_t>::max();
  CALL_CHECK(
      each_page(*connection, tenant.id, list.id, filter, all, [&](const auto& page) -> Status {
        for (const auto& entry : page) rows.push_back(exported(entry, session));
        if (!streamed) return {};
        const auto text = render(columns, std::exchange(rows, json::array()), format, screen);
        return print(std::string_view(text).substr(header.size()));
      }));
  if (!streamed) CALL_CHECK(print(render(columns, rows, format, screen)));
  return kDone;
}

void declare(CLI::App& command, EntryOptions& options) {
  command.add_option("list", options.list, "Name or id")->required()->type_name("LIST");
  command.add_option("--state", options.state, "Only in this state")->type_name("STATE");
  command.add_option("--outcome", options.outcome, "Only with this outcome")->type_name("OUTCOME");
}

void declare_limited(CLI::App& command, EntryOptions& options) {
  declare(command, options);
  declare_limit(command, options.limit);
}

}  // namespace

void add_entry_commands(CLI::App& list, Session& session) {
  add_command<EntryOptions>(list, session, "entries", "Every entry with its state and outcome",
                            declare_limited, list_entries);
  add_command<EntryOptions>(list, session, "export",
                            "Every entry with all its columns; CSV unless -o says otherwise",
                            declare, export_entries);
}

}  // namespace call::cmd
