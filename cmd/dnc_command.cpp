// callctl dnc: who must not be called.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/input.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "core/base/strings.hpp"
#include "core/contacts/dnc_file.hpp"
#include "core/contacts/phone.hpp"
#include "core/store/dnc.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestFile = 1U << 30;
constexpr std::size_t kPage = 10'000;

struct DncOptions {
  std::vector<std::string> patterns;
  std::string file;
  std::string note;
  std::string region;
  std::string registry;
  std::string number;
  std::string confirm;
  Limit limit{1000};
  bool all_tenants = false;
  bool skip_invalid = false;
  bool dry_run = false;
};

Result<std::vector<std::string>> patterns_of(const DncOptions& options) {
  std::vector<std::string> out;
  for (const auto& text : options.patterns) {
    auto pattern = contacts::to_dnc_pattern(text, options.region);
    if (!pattern) {
      return Error{
          Errc::invalid_argument,
          fmt::format("'{}' is neither a number such as +14155550123 (without a country code "
                      "it needs --region) nor the beginning of some such as '+1900*'",
                      text)};
    }
    out.push_back(*std::move(pattern));
  }
  return out;
}

Result<store::DncOwner> owner_of(Session& session, const DncOptions& options) {
  if (options.all_tenants) return store::DncOwner();
  CALL_TRY(const auto tenant, session.tenant());
  return store::DncOwner(tenant.id);
}

std::string whose(const Session& session, const DncOptions& options) {
  return options.all_tenants ? "all tenants" : "tenant '" + session.options.tenant + "'";
}

Result<Exit> add(Session& session, const DncOptions& options) {
  CALL_TRY(const auto patterns, patterns_of(options));
  const auto wrong = std::ranges::find_if_not(patterns, contacts::is_number_or_prefix);
  if (wrong != patterns.end()) {
    return Error{
        Errc::invalid_argument,
        fmt::format("'{0}' is no valid number; for all that begin so give '{0}*'", *wrong)};
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto owner, owner_of(session, options));
  CALL_TRY(const auto added, store::add_dnc(*connection, owner, patterns, options.note));
  session.say("{} of {} added for {}, the others were there", added, patterns.size(),
              whose(session, options));
  CALL_CHECK(session.show_done(
      {{"added", added}, {"known", static_cast<std::int64_t>(patterns.size()) - added}}));
  return kDone;
}

Result<Exit> remove(Session& session, const DncOptions& options) {
  std::vector<std::string> patterns;
  for (const auto& text : options.patterns)
    patterns.push_back(contacts::to_e164(text, options.region).value_or(text));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto owner, owner_of(session, options));
  CALL_CHECK(confirm(session, "allow calls to", join(options.patterns, ","), options.confirm));
  for (const auto& pattern : patterns)
    CALL_CHECK(store::remove_dnc(*connection, owner, pattern, options.registry));
  session.say("{} removed for {}", patterns.size(), whose(session, options));
  CALL_CHECK(session.show_done({{"removed", patterns.size()}}));
  return kDone;
}

/// Page by page, until there are as many as are wanted.
Result<std::vector<store::DncRule>> rules(store::Connection& connection, std::int64_t tenant_id,
                                          store::DncFilter filter, const Limit& limit) {
  std::vector<store::DncRule> all;
  for (;;) {
    const auto missing = static_cast<std::size_t>(limit.wanted()) - all.size();
    filter.limit = static_cast<int>(std::min<std::size_t>(missing, kPage));
    CALL_TRY(auto page, store::dnc_rules(connection, tenant_id, filter));
    if (!page.empty()) filter.after_id = page.back().id;
    const bool last = page.size() < kPage || page.size() == missing;
    std::ranges::move(page, std::back_inserter(all));
    if (last) return all;
  }
}

Result<Exit> list(Session& session, const DncOptions& options) {
  store::DncFilter filter;
  if (!options.registry.empty()) filter.registry = options.registry;
  if (!options.number.empty()) {
    filter.number = contacts::to_dnc_pattern(options.number, options.region).value_or("");
    if (filter.number.empty() || filter.number.ends_with('*'))
      return Error{Errc::invalid_argument, fmt::format("'{}' is no number", options.number)};
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto rules, rules(*connection, tenant.id, filter, options.limit));
  json rows = json::array();
  for (const auto& rule : rules) {
    const bool prefix = rule.pattern.ends_with('*');
    rows.push_back({{"pattern", prefix ? rule.pattern : session.number(rule.pattern)},
                    {"scope", rule.everybody ? "all" : "tenant"},
                    {"registry", rule.registry},
                    {"note", rule.note},
                    {"created_at", to_rfc3339(rule.created_at)}});
  }
  CALL_CHECK(session.show_some(table("dnc ls"), std::move(rows), options.limit));
  return kDone;
}

/// A failed download, or a page that says so, is a short file or an empty one: as the registry's new copy it would let
/// everybody be called who asked not to be. Asked about when less than half of the old copy is left.
Status check_shrinking(const Session& session, store::Connection& connection, store::DncOwner owner,
                       const DncOptions& options, std::size_t read) {
  CALL_TRY(const auto had, store::registry_size(connection, owner, options.registry));
  const auto now = static_cast<std::int64_t>(read);
  if (now > 0 && 2 * now >= had) return {};
  const auto what = fmt::format("leave {} of {} rules in the registry", now, had);
  return confirm(session, what, options.registry, options.confirm);
}

Result<std::int64_t> store_patterns(Session& session, const DncOptions& options,
                                    const std::vector<std::string>& patterns) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto owner, owner_of(session, options));
  if (options.registry.empty()) return store::add_dnc(*connection, owner, patterns, options.note);
  CALL_CHECK(check_shrinking(session, *connection, owner, options, patterns.size()));
  return store::import_registry(*connection, owner, options.registry, patterns);
}

Result<Exit> import(Session& session, const DncOptions& options) {
  CALL_TRY(const auto text, read_input(options.file, kLargestFile));
  const auto content = contacts::read_dnc_file(text, options.region);
  for (const auto& mistake : content.mistakes) session.warn("{} is no number", mistake);
  if (content.invalid > 0 && !options.skip_invalid) {
    return Error{Errc::invalid_argument,
                 fmt::format("{} line(s) are no numbers, so nothing was imported: mend them{}, or "
                             "leave them out with --skip-invalid",
                             content.invalid, options.region.empty() ? ", say --region" : "")};
  }
  if (content.patterns.empty() && options.registry.empty())
    return Error{Errc::invalid_argument, "there is no number in the file"};
  json result{{"registry", options.registry},
              {"read", content.patterns.size()},
              {"invalid", content.invalid},
              {"added", nullptr},
              {"dry_run", options.dry_run}};
  if (!options.dry_run) {
    CALL_TRY(result["added"], store_patterns(session, options, content.patterns));
  }
  CALL_CHECK(session.show_one({{"registry", "registry"},
                               {"read", "numbers and patterns"},
                               {"invalid", "lines left out"},
                               {"added", "added"}},
                              result));
  return kDone;
}

void declare_common(CLI::App& command, DncOptions& options) {
  command.add_option("--region", options.region, "For numbers without a country code, e.g. US")
      ->type_name("REGION");
  command.add_option("--registry", options.registry, "Rules of this registry")->type_name("NAME");
}

void declare_patterns(CLI::App& command, DncOptions& options) {
  command.add_option("pattern", options.patterns, "Number, or the beginning of some: '+1900*'")
      ->required()
      ->type_name("PATTERN");
  command.add_flag("--all-tenants", options.all_tenants, "For every tenant");
}

void declare_note(CLI::App& command, DncOptions& options) {
  command.add_option("--note", options.note, "Why, for whoever reads the list")->type_name("TEXT");
}

}  // namespace

void add_dnc_commands(CLI::App& app, Session& session) {
  auto* dnc = add_group(app, "dnc", "Do-not-call lists");
  add_command<DncOptions>(
      *dnc, session, "add", "Never call these numbers, from this moment",
      [](CLI::App& command, DncOptions& options) {
        declare_patterns(command, options);
        declare_note(command, options);
        command
            .add_option("--region", options.region, "For numbers without a country code, e.g. US")
            ->type_name("REGION");
      },
      add);
  add_command<DncOptions>(
      *dnc, session, "rm", "Take numbers off the list",
      [](CLI::App& command, DncOptions& options) {
        declare_patterns(command, options);
        declare_common(command, options);
        command
            .add_option("--confirm", options.confirm,
                        "The same again, a comma between two, instead of asking")
            ->type_name("PATTERNS");
      },
      remove);
  add_command<DncOptions>(
      *dnc, session, "ls", "What holds for the tenant",
      [](CLI::App& command, DncOptions& options) {
        declare_common(command, options);
        command.add_option("--number", options.number, "Only rules that match this number")
            ->type_name("NUMBER");
        declare_limit(command, options.limit);
      },
      list);
  add_command<DncOptions>(
      *dnc, session, "import", "Numbers and patterns from a file, one a line",
      [](CLI::App& command, DncOptions& options) {
        command
            .add_option("file", options.file,
                        "One number a line, or CSV with it first; - is standard input")
            ->required()
            ->type_name("FILE");
        declare_common(command, options);
        declare_note(command, options);
        command.add_flag("--all-tenants", options.all_tenants, "For every tenant");
        command.add_flag("--skip-invalid", options.skip_invalid,
                         "Leave out lines that are no numbers");
        command.add_flag("--dry-run", options.dry_run, "Check the file; write nothing");
        command
            .add_option("--confirm", options.confirm,
                        "The registry's name again, when the file has less than half of its rules")
            ->type_name("NAME");
      },
      import);
}

}  // namespace call::cmd
