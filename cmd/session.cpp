#include "cmd/session.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/pager.hpp"
#include "cmd/text_width.hpp"
#include "core/base/strings.hpp"
#include "core/dialer/relay.hpp"
#include "core/log/log.hpp"
#include "core/redis/endpoint.hpp"
#include "core/store/migrate.hpp"

namespace call::cmd {

Deadline service_deadline() {
  return Deadline::after(std::chrono::seconds(5));
}

Exit exit_code(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return kUsage;
    case Errc::not_found:
      return kNotFound;
    case Errc::permission:
      return kNotPermitted;
    case Errc::unavailable:
    case Errc::timeout:
    case Errc::closed:
      return kUnavailable;
    case Errc::conflict:
    case Errc::cancelled:
    case Errc::protocol:
    case Errc::limit:
    case Errc::io:
    case Errc::internal:
      return kFailed;
  }
  return kFailed;
}

Result<const config::Config*> Session::configuration() {
  if (!config_) {
    config::Sources sources;
    if (!options.config_file.empty()) sources.file = options.config_file;
    CALL_TRY(auto loaded, config::load(sources));
    config_ = std::move(loaded.config);
  }
  return &*config_;
}

Result<store::Connection*> Session::database_any_schema() {
  if (!database_) {
    CALL_TRY(const auto* config, configuration());
    store::Options store_options;
    store_options.url = Secret(config->database.url);
    store_options.application = "callctl";
    CALL_TRY(auto connection, store::Connection::open(store_options));
    database_.emplace(std::move(connection));
  }
  return &*database_;
}

Result<store::Connection*> Session::database() {
  CALL_TRY(auto* connection, database_any_schema());
  if (!schema_checked_) CALL_CHECK(store::require_schema(*connection));
  schema_checked_ = true;
  return connection;
}

Result<store::Tenant> Session::tenant() {
  CALL_TRY(auto* connection, database());
  return store::find_tenant(*connection, options.tenant);
}

Result<rq::Client*> Session::queue() {
  if (!queue_) {
    CALL_TRY(const auto* config, configuration());
    CALL_TRY(auto endpoint, redis::parse_url(config->redis.url));
    queue_ = std::make_unique<rq::Client>(std::move(endpoint));
  }
  return queue_.get();
}

Result<redis::Connection*> Session::redis() {
  CALL_TRY(auto* client, queue());
  return client->connection(service_deadline());
}

void Session::push_jobs(const std::vector<store::OutboxJob>& jobs) {
  if (jobs.empty()) return;
  auto client = queue();
  auto connection = database();
  if (client && connection &&
      dialer::try_relay(**connection, **client, jobs, service_deadline()) == jobs.size()) {
    return;
  }
  warn("Redis is not reachable. The change is saved; the worker takes it up once Redis answers");
}

Format Session::format() const {
  return parse_format(options.format).value_or(Format::table);
}

Status Session::show(const std::vector<Column>& columns, const nlohmann::json& rows) const {
  return show_text(render(columns, rows, format(), screen()));
}

Status Session::show_some(const std::vector<Column>& columns, nlohmann::json rows,
                          const Limit& limit) const {
  const auto most = static_cast<std::size_t>(limit.rows);
  const bool truncated = rows.size() > most;
  if (truncated) rows.erase(rows.begin() + limit.rows, rows.end());
  CALL_CHECK(show_text(render(columns, rows, format(), screen(), truncated)));
  // A limit that nobody chose is worth a word even where nobody wants to hear much.
  if (truncated && limit.given) say("there are more than these {}", most);
  if (truncated && !limit.given) warn("there are more than these {}; --limit N shows more", most);
  return {};
}

Status Session::show_one(const std::vector<Column>& columns, const nlohmann::json& object) const {
  return print(render_one(columns, object, format(), screen()));
}

Status Session::show_done(const nlohmann::json& object) const {
  return format() == Format::table ? Status() : show_one(columns_of(object), object);
}

Status Session::show_text(std::string_view text) const {
  return print_paged(text, screen());
}

Screen Session::screen() const {
  auto screen = detect_screen(options.no_colour);
  screen.paged = screen.terminal && format() == Format::table && !options.no_pager;
  return screen;
}

std::string Session::number(std::string_view phone) const {
  return options.show_numbers ? std::string(phone) : log::mask_phone(phone);
}

void Session::message(std::string_view text) const {
  // What is behind a line break is indented: nothing in a message can pass for a message of its own.
  std::string lines;
  for (const auto part : split(text, '\n')) {
    lines += lines.empty() ? "callctl: " : "  ";
    lines += printable(replace_all(std::string(part), "\t", "  ")) + "\n";
  }
  std::fputs(lines.c_str(), stderr);
}

Status refuse_format(const Session& session, std::string_view what) {
  if (session.format() == Format::table) return {};
  return Error{Errc::invalid_argument,
               fmt::format("the result is {}: -o {} does not apply", what, session.options.format)};
}

std::string shell_word(std::string_view text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-_.,:/@%+=") == std::string_view::npos;
  return plain ? std::string(text) : "'" + replace_all(std::string(text), "'", "'\\''") + "'";
}

Status confirm(const Session& session, std::string_view what, std::string_view name,
               std::string_view confirmed) {
  if (confirmed == name) return {};
  if (!confirmed.empty()) {
    return Error{Errc::invalid_argument, fmt::format("--confirm names '{}', but this would {} '{}'",
                                                     confirmed, what, name)};
  }
  const bool somebody = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0;
  if (session.options.no_input || !somebody) {
    return Error{Errc::invalid_argument,
                 fmt::format("this would {} '{}': add --confirm={}", what, name, shell_word(name))};
  }
  std::fprintf(stderr,
               "This will %.*s '%s'. Type its name to go on: ", static_cast<int>(what.size()),
               what.data(), printable(name).c_str());
  char typed[256] = {};
  if (std::fgets(typed, sizeof typed, stdin) == nullptr || trim(typed) != name) {
    return Error{Errc::cancelled, "not confirmed, nothing was done"};
  }
  return {};
}

}  // namespace call::cmd
