// callctl list create | append: from a file to entries.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/list_options.hpp"
#include "cmd/tables.hpp"
#include "core/base/deadline.hpp"
#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"
#include "core/contacts/contacts.hpp"
#include "core/contacts/phone.hpp"
#include "core/dialer/call_plan.hpp"
#include "core/store/import.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kRefusalsShown = 20;

struct AppendOptions {
  std::string list;
  FileOptions file;
  std::string unique = "list";
  std::string confirm;
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
  std::int64_t curtailed = 0;  ///< rows of which the call does not carry everything
  std::string curtailed_first;
};

/// How far an import is, on one line of a terminal; off a terminal it says nothing.
class Progress {
 public:
  explicit Progress(const Session& session)
      : shown_(!session.options.quiet && ::isatty(STDERR_FILENO) != 0) {}
  ~Progress() { clear(); }

  void rows(std::int64_t count) {
    if (!shown_ || MonoClock::now() < next_) return;
    next_ = MonoClock::now() + std::chrono::milliseconds(200);
    std::fprintf(stderr, "\r%lld rows", static_cast<long long>(count));
    drawn_ = true;
  }
  void clear() {
    if (std::exchange(drawn_, false)) std::fputs("\r\x1b[K", stderr);
  }

 private:
  const bool shown_;
  bool drawn_ = false;
  MonoClock::time_point next_ = MonoClock::now() + std::chrono::milliseconds(500);
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

contacts::Format format_of(const FileOptions& options) {
  const auto& name = options.file;
  const bool lines = name.ends_with(".jsonl") || name.ends_with(".ndjson");
  if (options.format.empty()) return lines ? contacts::Format::json_lines : contacts::Format::csv;
  return options.format == "jsonl" ? contacts::Format::json_lines : contacts::Format::csv;
}

store::NewEntry entry_of(const contacts::Contact& contact, const FileOptions& options) {
  store::NewEntry entry;
  entry.seq = static_cast<std::int64_t>(contact.line);
  if (!contact.phone.empty()) entry.phone = contact.phone;
  entry.phone_raw = contact.phone_raw;
  entry.name = contact.name;
  entry.variables_json = json(contact.variables).dump();
  entry.refused = std::string(contact.refused);
  entry.not_after = contact.not_after ? contact.not_after : parse_rfc3339(options.not_after);
  entry.timezone = contact.timezone;
  entry.priority = contact.priority;
  return entry;
}

/// Counts the row when its name or variables are too long or too many for a call.
void note_curtailed(Report& report, const store::NewEntry& entry) {
  if (!entry.refused.empty()) return;
  const auto missing = dialer::left_out(entry.name, entry.variables_json);
  if (missing.empty() || ++report.curtailed > 1) return;
  report.curtailed_first = fmt::format("line {}: {}", entry.seq, join(missing, ", "));
}

void say_curtailed(const Session& session, const Report& report) {
  if (report.curtailed == 0) return;
  session.warn(
      "{} row(s) have variables that their calls will not carry: a name with its value must be "
      "under 500 bytes, and there is room for 92; the first is {}",
      report.curtailed, report.curtailed_first);
}

using Refused = Result<std::vector<store::RefusedRow>>;
using Sink = std::function<Refused(std::span<const store::NewEntry>)>;

/// Gives batches to the sink in their order, each on a thread of its own while the next one is read:
/// half of an import is the reading of numbers, the other half PostgreSQL.
class Handing {
 public:
  explicit Handing(const Sink& sink) : sink_(sink) {}

  /// What the sink said of the batch before.
  Refused next(std::vector<store::NewEntry> batch) {
    CALL_TRY(auto refused, finish());
    under_way_ =
        std::async(std::launch::async, [this, batch = std::move(batch)] { return sink_(batch); });
    return refused;
  }
  Refused finish() {
    return under_way_.valid() ? under_way_.get() : Refused(std::vector<store::RefusedRow>());
  }

 private:
  const Sink& sink_;
  std::future<Refused> under_way_;  // its destructor waits
};

/// Reads the whole file; rows go to `sink` a batch at a time, which answers with the lines that it
/// refused and why.
Result<Report> read_contacts(const Session& session, const FileOptions& options, const Sink& sink) {
  Report report;
  Progress progress(session);
  Handing handing(sink);
  std::vector<store::NewEntry> batch;
  std::int64_t rows = 0;
  const auto note = [&](const std::vector<store::RefusedRow>& refused) {
    report.accepted -= static_cast<std::int64_t>(refused.size());
    for (const auto& row : refused) {
      report.refused.push_back(
          {static_cast<std::size_t>(row.seq), row.phone_raw, row.reason, row.detail});
    }
  };
  const auto flush = [&]() -> Status {
    if (batch.empty()) return {};
    CALL_TRY(const auto refused, handing.next(std::exchange(batch, {})));
    note(refused);
    progress.rows(rows);
    return {};
  };
  contacts::Reader reader(
      options.region,
      [&](contacts::Contact&& contact) -> Status {
        ++rows;
        if (contact.refused.empty()) {
          ++report.accepted;
        } else {
          report.refused.push_back(
              {contact.line, contact.phone_raw, std::string(contact.refused), contact.detail});
        }
        batch.push_back(entry_of(contact, options));
        note_curtailed(report, batch.back());
        return batch.size() < kBatch ? Status() : flush();
      },
      format_of(options));
  CALL_CHECK(read_into(reader, options.file));
  CALL_CHECK(flush());
  CALL_TRY(const auto last, handing.finish());
  note(last);
  std::stable_sort(report.refused.begin(), report.refused.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  return report;
}

void say_refusals(const Session& session, const Report& report) {
  say_curtailed(session, report);
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

Status show_imported(Session& session, const store::List& list, const Report& report, bool existed,
                     bool dry_run) {
  return session.show_one(table("list create"),
                          {{"id", dry_run && !existed ? json() : json(list.id)},
                           {"name", list.name},
                           {"state", store::to_string(list.state)},
                           {"existed", existed},
                           {"dry_run", dry_run},
                           {"imported", report.accepted},
                           {"refused", report.refused.size()},
                           {"refusals", refusals_json(report, session)}});
}

Status check_region(const FileOptions& options) {
  if (options.region.empty() || contacts::is_known_region(options.region)) return {};
  return Error{
      Errc::invalid_argument,
      fmt::format("--region '{}' is no region; use two letters such as US or IL", options.region)};
}

Status check_strict(const FileOptions& options, const Report& report) {
  if (!options.strict || report.refused.empty()) return {};
  return Error{
      Errc::invalid_argument,
      fmt::format("--strict: {} row(s) refused, nothing was imported", report.refused.size())};
}

/// Also of a dry run, which only does not commit: what the database would refuse, it refuses.
Result<Exit> fill(Session& session, const CreateOptions& options, store::Import& import) {
  CALL_TRY(const auto report,
           read_contacts(session, options.file, [&](std::span<const store::NewEntry> entries) {
             return import.add(entries);
           }));
  say_refusals(session, report);
  CALL_CHECK(check_strict(options.file, report));
  if (!options.file.dry_run) CALL_CHECK(import.commit());
  CALL_CHECK(show_imported(session, import.list(), report, false, options.file.dry_run));
  return kDone;
}

/// A draft is dialed by nobody: when the database goes away in the middle, the whole may be tried again.
Result<Exit> create(Session& session, const CreateOptions& options) {
  CALL_CHECK(check_region(options.file));
  CALL_TRY(const auto list, new_list_of(options));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(auto import, store::Import::begin(*connection, tenant.id, list));
  if (import.existed()) {
    session.say("list '{}' was made with this key before; nothing was imported",
                import.list().name);
    CALL_CHECK(show_imported(session, import.list(), {}, true, options.file.dry_run));
    return kDone;
  }
  auto done = fill(session, options, import);
  if (done || done.error().code != Errc::unavailable) return done;
  session.fail(done.error());
  return kTryAgain;
}

/// All or nothing, as create; the rows are numbered on from the list's last one.
Result<Exit> append(Session& session, const AppendOptions& options) {
  CALL_CHECK(check_region(options.file));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  if (list.state == store::ListState::running && !options.file.dry_run)
    CALL_CHECK(
        confirm(session, "dial more people in the running list", list.name, options.confirm));
  std::vector<store::NewEntry> all;
  CALL_TRY(auto report, read_contacts(session, options.file,
                                      [&](auto entries) -> Result<std::vector<store::RefusedRow>> {
                                        all.insert(all.end(), entries.begin(), entries.end());
                                        return std::vector<store::RefusedRow>();
                                      }));
  const store::AppendRules rules{store::parse_unique(options.unique).value_or(store::Unique::list),
                                 options.file.strict, options.file.dry_run};
  CALL_TRY(const auto appended, store::append_entries(*connection, tenant.id, list.id, all, rules));
  report.accepted = appended.added;
  for (const auto& row : appended.refused) {
    // The line in the file, not the place in the list, is what can be looked up.
    const auto& entry = all.at(static_cast<std::size_t>(row.seq - appended.first_seq));
    report.refused.push_back(
        {static_cast<std::size_t>(entry.seq), row.phone_raw, row.reason, row.detail});
  }
  std::ranges::sort(report.refused, {}, &Refusal::line);
  say_refusals(session, report);
  CALL_CHECK(check_strict(options.file, report));
  CALL_CHECK(show_imported(session, list, report, false, options.file.dry_run));
  return kDone;
}

}  // namespace

void add_import_commands(CLI::App& list, Session& session) {
  add_command<CreateOptions>(list, session, "create",
                             "Make a list from a file; nothing is dialed yet", declare_create,
                             create);
  add_command<AppendOptions>(
      list, session, "append", "Add a file's rows to a list that is not finished",
      [](CLI::App& command, AppendOptions& options) {
        command.add_option("list", options.list, "Name or id")->required()->type_name("LIST");
        declare_file(command, options.file);
        declare_unique(command, options.unique);
        command
            .add_option("--confirm", options.confirm,
                        "The list's name again, instead of asking, when it is running")
            ->type_name("NAME");
      },
      append);
}

}  // namespace call::cmd
