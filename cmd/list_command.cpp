// callctl list: create from a file, start, pause, cancel, look.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "core/base/scope_exit.hpp"
#include "core/contacts/contacts.hpp"
#include "core/contacts/phone.hpp"
#include "core/store/import.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kRefusalsShown = 20;

struct NoOptions {};

struct ListOption {
  std::string list;
};

struct StartOptions {
  std::string list;
  std::string confirm;
};

struct CreateOptions {
  std::string name;
  std::string file;
  std::string from;
  std::string region;
  std::string key;
  std::string amd = "off";
  store::ListSettings settings;
  int ring_timeout_s = 30;
  int time_limit_s = 600;
  int retry_after_s = 300;
  bool strict = false;
  bool dry_run = false;
};

struct Refusal {
  std::size_t line;
  std::string phone_raw;
  std::string reason;
  std::string detail;
};

/// What an import found, row by row.
struct Report {
  std::int64_t accepted = 0;
  std::vector<Refusal> refused;
};

/// Feeds the file, or standard input for "-", to the reader in pieces.
Status read_into(contacts::Reader& reader, const std::string& file) {
  const bool standard_input = file == "-";
  const int fd = standard_input ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return Error{Errc::not_found, fmt::format("cannot read {}: {}", file, std::strerror(errno))};
  const ScopeExit close_fd([&] {
    if (!standard_input) ::close(fd);
  });
  for (;;) {
    char buffer[1 << 16];
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return Error{Errc::io, fmt::format("cannot read {}: {}", file, std::strerror(errno))};
    if (got == 0) return reader.finish().with_context(file);
    CALL_CHECK(
        reader.feed(std::string_view(buffer, static_cast<std::size_t>(got))).with_context(file));
  }
}

store::NewEntry entry_of(const contacts::Contact& contact) {
  store::NewEntry entry;
  entry.seq = static_cast<std::int64_t>(contact.line);
  if (!contact.phone.empty()) entry.phone = contact.phone;
  entry.phone_raw = contact.phone_raw;
  entry.name = contact.name;
  entry.variables_json = json(contact.variables).dump();
  entry.refused = std::string(contact.refused);
  entry.not_after = contact.not_after;
  return entry;
}

/// Reads the whole file; rows go to `sink` a batch at a time.
Result<Report> read_contacts(const CreateOptions& options,
                             const std::function<Status(std::span<const store::NewEntry>)>& sink) {
  Report report;
  std::vector<store::NewEntry> batch;
  contacts::Reader reader(options.region, [&](contacts::Contact&& contact) -> Status {
    if (contact.refused.empty()) {
      ++report.accepted;
    } else {
      report.refused.push_back(
          {contact.line, contact.phone_raw, std::string(contact.refused), contact.detail});
    }
    batch.push_back(entry_of(contact));
    if (batch.size() < kBatch) return {};
    CALL_CHECK(sink(batch));
    batch.clear();
    return {};
  });
  CALL_CHECK(read_into(reader, options.file));
  if (!batch.empty()) CALL_CHECK(sink(batch));
  return report;
}

void say_refusals(const Session& session, const Report& report) {
  std::size_t shown = 0;
  for (const auto& refusal : report.refused) {
    if (++shown > kRefusalsShown) {
      session.say("... and {} more (callctl list entries --outcome refused)",
                  report.refused.size() - kRefusalsShown);
      return;
    }
    session.say("line {}: {} refused: {}{}", refusal.line, session.number(refusal.phone_raw),
                refusal.reason, refusal.detail.empty() ? "" : " (" + refusal.detail + ")");
  }
}

json refusals_json(const Report& report, const Session& session) {
  json refused = json::array();
  for (const auto& refusal : report.refused) {
    refused.push_back({{"line", refusal.line},
                       {"phone", session.number(refusal.phone_raw)},
                       {"reason", refusal.reason},
                       {"detail", refusal.detail}});
  }
  return refused;
}

Status show_created(Session& session, const store::List& list, const Report& report, bool existed,
                    bool dry_run) {
  return session.show_one({{"id", "id"},
                           {"name", "name"},
                           {"state", "state"},
                           {"imported", "imported"},
                           {"refused", "refused"}},
                          {{"id", dry_run ? json() : json(list.id)},
                           {"name", list.name},
                           {"state", store::to_string(list.state)},
                           {"existed", existed},
                           {"dry_run", dry_run},
                           {"imported", report.accepted},
                           {"refused", report.refused.size()},
                           {"refusals", refusals_json(report, session)}});
}

Result<store::NewList> new_list_of(const CreateOptions& options) {
  store::NewList list;
  list.name = options.name;
  if (!options.key.empty()) list.idempotency_key = options.key;
  list.settings = options.settings;
  list.settings.ring_timeout = std::chrono::seconds(options.ring_timeout_s);
  list.settings.time_limit = std::chrono::seconds(options.time_limit_s);
  list.settings.retry_after = std::chrono::seconds(options.retry_after_s);
  list.settings.amd = store::parse_amd(options.amd).value_or(store::Amd::off);
  if (!options.region.empty() && !contacts::is_known_region(options.region)) {
    return Error{Errc::invalid_argument,
                 fmt::format("--region '{}' is no region; use two letters such as US or IL",
                             options.region)};
  }
  const auto from = contacts::to_e164(options.from, options.region);
  // Twilio's test numbers (+1500555...) are not valid numbers; E.164 is all that a caller id must be here.
  list.settings.from_number = from.value_or(options.from);
  CALL_CHECK(store::check_settings(list.settings));
  return list;
}

Error strict_refusal(const Report& report) {
  return {Errc::invalid_argument,
          fmt::format("--strict: {} row(s) refused, nothing was imported", report.refused.size())};
}

Result<Exit> create(Session& session, const CreateOptions& options) {
  CALL_TRY(const auto list, new_list_of(options));
  if (options.dry_run) {
    CALL_TRY(const auto report,
             read_contacts(options, [](std::span<const store::NewEntry>) { return Status(); }));
    say_refusals(session, report);
    if (options.strict && !report.refused.empty()) return strict_refusal(report);
    store::List planned;
    planned.name = options.name;
    CALL_CHECK(show_created(session, planned, report, false, true));
    return kDone;
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(auto import, store::Import::begin(*connection, tenant.id, list));
  if (import.existed()) {
    session.say("list '{}' was made with this key before; nothing was imported",
                import.list().name);
    CALL_CHECK(show_created(session, import.list(), {}, true, false));
    return kDone;
  }
  CALL_TRY(const auto report, read_contacts(options, [&](std::span<const store::NewEntry> entries) {
             return import.add(entries);
           }));
  say_refusals(session, report);
  if (options.strict && !report.refused.empty()) return strict_refusal(report);
  CALL_CHECK(import.commit());
  CALL_CHECK(show_created(session, import.list(), report, false, false));
  return kDone;
}

Result<Exit> list_lists(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto summaries, store::list_summaries(*connection, tenant.id));
  json rows = json::array();
  for (const auto& summary : summaries) rows.push_back(to_json(summary));
  CALL_CHECK(session.show(list_columns(), rows));
  return kDone;
}

Result<Exit> show_list(Session& session, const ListOption& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  const auto object = to_json(summary);
  std::vector<Column> columns;
  for (const auto* key : {"id",
                          "name",
                          "tenant",
                          "state",
                          "reason",
                          "agent",
                          "from",
                          "concurrency",
                          "calls_per_second",
                          "ring_timeout_s",
                          "time_limit_s",
                          "max_attempts",
                          "retry_after_s",
                          "amd",
                          "entries",
                          "pending",
                          "active",
                          "done",
                          "outcomes",
                          "attempts",
                          "unknown_attempts",
                          "created_at",
                          "started_at",
                          "finished_at"}) {
    columns.push_back({key, key});
  }
  CALL_CHECK(session.show_one(columns, object));
  return kDone;
}

using Change = Result<store::ListChange> (*)(store::Connection&, std::int64_t, std::int64_t);

Result<Exit> change(Session& session, const std::string& name, const std::string* confirmed,
                    const char* verb, Change make) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, name));
  if (confirmed != nullptr) CALL_CHECK(confirm(verb, list.name, *confirmed));
  CALL_TRY(const auto changed, make(*connection, tenant.id, list.id));
  session.push_jobs(changed.jobs);
  session.say("list '{}' {} {}", list.name, changed.changed ? "is now" : "was already",
              store::to_string(changed.list.state));
  return kDone;
}

void declare_create(CLI::App& command, CreateOptions& o) {
  auto& s = o.settings;
  command.add_option("name", o.name, "Name of the list, unique in the tenant")
      ->required()
      ->type_name("NAME");
  command.add_option("file", o.file, "CSV with a column `phone`; - is standard input")
      ->required()
      ->type_name("FILE");
  command.add_option("--from", o.from, "Caller id, E.164")->required()->type_name("NUMBER");
  command.add_option("--agent", s.agent, "Who talks")->type_name("AGENT")->capture_default_str();
  command.add_option("--region", o.region, "For numbers without a country code, e.g. US")
      ->type_name("REGION");
  command.add_option("--concurrency", s.concurrency, "Calls at the same time")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--calls-per-second", s.calls_per_second, "New calls a second")
      ->type_name("RATE")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  command.add_option("--amd", o.amd, "Answering machine detection")
      ->type_name("off|async")
      ->check(CLI::IsMember({"off", "async"}))
      ->capture_default_str();
  command.add_option("--ring-timeout", o.ring_timeout_s, "Let it ring so long")
      ->type_name("SECONDS")
      ->check(CLI::Range(15, 600))
      ->capture_default_str();
  command.add_option("--time-limit", o.time_limit_s, "Longest call")
      ->type_name("SECONDS")
      ->check(CLI::Range(10, 14400))
      ->capture_default_str();
  command
      .add_option("--max-attempts", s.max_attempts,
                  "Tries per entry when busy, unanswered or failed")
      ->type_name("N")
      ->check(CLI::Range(1, 20))
      ->capture_default_str();
  command.add_option("--retry-after", o.retry_after_s, "Pause before the next try")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 604800))
      ->capture_default_str();
  command
      .add_option("--key", o.key,
                  "The same key again returns the list made first: safe to repeat from cron")
      ->type_name("KEY");
  command.add_flag("--strict", o.strict, "Refuse the whole file when a row is refused");
  command.add_flag("--dry-run", o.dry_run, "Check the file; write nothing");
}

void declare_list(CLI::App& command, std::string& list) {
  command.add_option("list", list, "Name or id")->required()->type_name("LIST");
}

}  // namespace

void add_list_commands(CLI::App& app, Session& session) {
  auto* list = add_group(app, "list", "Lists of people to call");
  add_command<CreateOptions>(*list, session, "create",
                             "Make a list from a CSV file; nothing is dialed yet", declare_create,
                             create);
  add_command<NoOptions>(
      *list, session, "ls", "All lists, newest first", [](CLI::App&, NoOptions&) {}, list_lists);
  add_command<ListOption>(
      *list, session, "show", "One list: settings and counts",
      [](CLI::App& c, ListOption& o) { declare_list(c, o.list); }, show_list);
  add_command<StartOptions>(
      *list, session, "start", "Start dialing; asks for the name, or takes --confirm NAME",
      [](CLI::App& c, StartOptions& o) {
        declare_list(c, o.list);
        c.add_option("--confirm", o.confirm, "The list's name again, instead of asking")
            ->type_name("NAME");
      },
      [](Session& s, const StartOptions& o) {
        return change(s, o.list, &o.confirm, "dial the list", store::start_list);
      });
  add_command<ListOption>(
      *list, session, "pause", "Dial no further; calls in progress go on",
      [](CLI::App& c, ListOption& o) { declare_list(c, o.list); },
      [](Session& s, const ListOption& o) {
        return change(s, o.list, nullptr, "pause", store::pause_list);
      });
  add_command<ListOption>(
      *list, session, "resume", "Go on with a paused list",
      [](CLI::App& c, ListOption& o) { declare_list(c, o.list); },
      [](Session& s, const ListOption& o) {
        return change(s, o.list, nullptr, "resume", store::start_list);
      });
  add_command<ListOption>(
      *list, session, "cancel", "End a list; calls in progress finish",
      [](CLI::App& c, ListOption& o) { declare_list(c, o.list); },
      [](Session& s, const ListOption& o) {
        return change(s, o.list, nullptr, "cancel", store::cancel_list);
      });
  add_entry_commands(*list, session);
  add_watch_commands(*list, session);
}

}  // namespace call::cmd
