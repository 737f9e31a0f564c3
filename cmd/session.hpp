// What every command of callctl needs: the options that stand before or behind any command, the configuration, and
// connections that are opened when first used. One thread.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/output.hpp"
#include "core/base/result.hpp"
#include "core/config/config.hpp"
#include "core/rq/client.hpp"
#include "core/store/connection.hpp"
#include "core/store/outbox.hpp"
#include "core/store/tenants.hpp"

namespace call::cmd {

/// Exit codes, as documented in callctl(1).
enum Exit : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kNotPermitted = 4,
  kUnknownAttempts = 10,
  kUnavailable = 69,
  kTryAgain = 75,
};
/// The exit code for an error that ended a command. kTryAgain is never chosen here: only a command that knows that
/// nothing was dialed may promise that (list create).
Exit exit_code(Errc code);

struct GlobalOptions {
  std::string config_file;
  std::string tenant = "default";
  std::string format = "table";
  bool no_colour = false;
  bool no_pager = false;
  bool no_input = false;
  bool quiet = false;
  bool show_numbers = false;
};

/// --limit of a command that shows rows.
struct Limit {
  int rows;            ///< shown at most
  bool given = false;  ///< somebody said so
  /// How many to look for: one more tells that there are more.
  int wanted() const { return rows + 1; }
};

class Session {
 public:
  GlobalOptions options;

  /// Of the program, as main() got it.
  char** argv = nullptr;
  /// Set by the command line's parser, run by main().
  std::function<Result<Exit>()> action;

  Result<const config::Config*> configuration();
  /// Connected, schema checked.
  Result<store::Connection*> database();
  /// Connected, schema not looked at: for `callctl db`.
  Result<store::Connection*> database_any_schema();
  Result<store::Tenant> tenant();
  Result<rq::Client*> queue();
  Result<redis::Connection*> redis();

  /// Pushes jobs of a committed change to Redis. When Redis is away that is a warning, not a failure: the jobs stand
  /// in the outbox, and the worker pushes them.
  void push_jobs(const std::vector<store::OutboxJob>& jobs);

  Format format() const;
  Screen screen() const;
  Status show(const std::vector<Column>& columns, const nlohmann::json& rows) const;
  /// The first rows, to the limit. `rows` are up to limit.wanted(): when there are more than the limit, that is said.
  Status show_some(const std::vector<Column>& columns, nlohmann::json rows,
                   const Limit& limit) const;
  Status show_one(const std::vector<Column>& columns, const nlohmann::json& object) const;
  /// What a command that changes something ends with: the object for scripts, nothing where people read say().
  Status show_done(const nlohmann::json& object) const;
  /// A text for people, through a pager when it is long.
  Status show_text(std::string_view text) const;
  /// The number, or its masked form unless --show-numbers was given.
  std::string number(std::string_view phone) const;

  /// A message for the person, on standard error; nothing with --quiet.
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) const {
    if (!options.quiet) message(fmt::format(format, std::forward<Args>(args)...));
  }
  /// Why the command failed, on standard error, also with --quiet.
  void fail(const Error& error) const { message(error.context); }
  /// A warning, on standard error, also with --quiet.
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    message("warning: " + fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  void message(std::string_view text) const;

  std::optional<config::Config> config_;
  std::optional<store::Connection> database_;
  bool schema_checked_ = false;
  std::unique_ptr<rq::Client> queue_;
};

/// How long a command waits for PostgreSQL or Redis before it gives up.
Deadline service_deadline();

/// For a command whose result is a text of its own kind: Errc::invalid_argument when -o asks for another.
Status refuse_format(const Session& session, std::string_view what);

/// A word of a command line, in quotes if it needs them, for the shell that it is pasted into.
std::string shell_word(std::string_view text);
/// For a command that cannot be undone: true when --confirm named `name`, or a person typed it. Errc::invalid_argument
/// says what to add when there is nobody to ask, or nobody may be asked (--no-input).
Status confirm(const Session& session, std::string_view what, std::string_view name,
               std::string_view confirmed);

}  // namespace call::cmd
