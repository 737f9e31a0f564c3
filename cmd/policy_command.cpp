// callctl policy | caller: when people are called, and from which numbers.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/input.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "core/contacts/phone.hpp"
#include "core/policy/policy.hpp"
#include "core/store/callers.hpp"
#include "core/store/policies.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestFile = 1U << 20;

struct NoOptions {};

struct PolicyOptions {
  std::string name;
  std::string file;
  std::string preset;
  std::string confirm;
};

struct CallerOptions {
  std::string pool;
  std::vector<std::string> numbers;
  std::string region;
  int concurrency = 1;
  bool all = false;
};

Error no_preset(std::string_view name) {
  std::string known;
  for (const auto& preset : policy::presets()) {
    if (!known.empty()) known += ", ";
    known += preset.name;
  }
  return {Errc::not_found, fmt::format("there is no preset {}: there are {}", name, known)};
}

Result<Exit> list_presets(Session& session, const NoOptions&) {
  json rows = json::array();
  for (const auto& preset : policy::presets()) {
    CALL_TRY(const auto document, policy::policy_from_toml(preset.toml, preset.name));
    CALL_TRY(const auto parsed, policy::parse_policy(document));
    rows.push_back({{"name", preset.name}, {"description", parsed.description}});
  }
  CALL_CHECK(session.show(table("policy presets"), rows));
  return kDone;
}

/// As TOML, with the sources in its comments: the beginning of a policy of one's own.
Result<Exit> show_preset(Session& session, const PolicyOptions& options) {
  const auto* preset = policy::find_preset(options.name);
  if (preset == nullptr) return no_preset(options.name);
  if (session.format() == Format::table) {
    CALL_CHECK(print(preset->toml));
  } else {
    CALL_CHECK(session.show_done({{"name", preset->name}, {"toml", preset->toml}}));
  }
  return kDone;
}

Result<std::string> document_of(const PolicyOptions& options) {
  if (options.file.empty() == options.preset.empty())
    return Error{Errc::invalid_argument, "give either a file or --preset"};
  if (!options.preset.empty()) {
    const auto* preset = policy::find_preset(options.preset);
    if (preset == nullptr) return no_preset(options.preset);
    return policy::policy_from_toml(preset->toml, preset->name);
  }
  CALL_TRY(const auto text, read_input(options.file, kLargestFile));
  return policy::policy_from_toml(text, options.file);
}

/// A policy that lists go by now: the new one can let people be called tonight who were not to be.
Status check_replacing(const Session& session, const store::StoredPolicy& old,
                       const PolicyOptions& options, const std::string& document) {
  const bool used = old.lists > 0 || old.tenant_default;
  const bool same =
      json::parse(old.document_json, nullptr, false) == json::parse(document, nullptr, false);
  if (!used || same) return {};
  const auto what = fmt::format("change the rules of {} list(s){} by replacing the policy",
                                old.lists, old.tenant_default ? " and of all that name none" : "");
  return confirm(session, what, old.name, options.confirm);
}

Result<Exit> set_policy(Session& session, const PolicyOptions& options) {
  CALL_TRY(const auto document, document_of(options));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  const auto old = store::find_policy(*connection, tenant.id, options.name);
  if (!old && old.error().code != Errc::not_found) return old.error();
  if (old) CALL_CHECK(check_replacing(session, *old, options, document));
  CALL_TRY(const auto stored, store::put_policy(*connection, tenant.id, options.name, document));
  session.say("policy '{}' stored; {} list(s) go by it{}", stored.name, stored.lists,
              stored.tenant_default ? ", and all that name none" : "");
  CALL_TRY(const auto policy, policy::parse_policy(document));
  if (policy.registry)
    session.say(
        "nobody is called while the copy of the registry '{0}' is older than it allows: "
        "callctl dnc import --registry {0} FILE",
        policy.registry->name);
  CALL_CHECK(session.show_done(
      {{"name", stored.name}, {"lists", stored.lists}, {"default", stored.tenant_default}}));
  return kDone;
}

Result<Exit> list_policies(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto found, store::policies(*connection, tenant.id));
  json rows = json::array();
  for (const auto& stored : found) {
    const auto document = json::parse(stored.document_json, nullptr, false);
    rows.push_back({{"name", stored.name},
                    {"default", stored.tenant_default},
                    {"lists", stored.lists},
                    {"description", document.value("description", "")},
                    {"updated_at", to_rfc3339(stored.updated_at)}});
  }
  CALL_CHECK(session.show(table("policy ls"), rows));
  return kDone;
}

Result<Exit> show_policy(Session& session, const PolicyOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto stored, store::find_policy(*connection, tenant.id, options.name));
  CALL_CHECK(session.show_one(table("policy show"),
                              {{"name", stored.name},
                               {"default", stored.tenant_default},
                               {"lists", stored.lists},
                               {"updated_at", to_rfc3339(stored.updated_at)},
                               {"document", json::parse(stored.document_json, nullptr, false)}}));
  return kDone;
}

Result<Exit> remove_policy(Session& session, const PolicyOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_CHECK(store::find_policy(*connection, tenant.id, options.name));
  CALL_CHECK(confirm(session, "remove the policy", options.name, options.confirm));
  CALL_CHECK(store::remove_policy(*connection, tenant.id, options.name));
  session.say("policy '{}' removed", options.name);
  CALL_CHECK(session.show_done({{"name", options.name}, {"removed", true}}));
  return kDone;
}

Result<Exit> add_callers(Session& session, const CallerOptions& options) {
  std::vector<std::string> numbers;
  for (const auto& text : options.numbers)
    numbers.push_back(contacts::to_e164(text, options.region).value_or(text));
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto pool,
           store::put_callers(*connection, tenant.id, options.pool, numbers, options.concurrency));
  session.say("caller pool '{}' has {} number(s)", pool.name, pool.numbers.size());
  CALL_CHECK(session.show_done({{"pool", pool.name}, {"numbers", pool.numbers.size()}}));
  return kDone;
}

Result<Exit> list_callers(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto pools, store::caller_pools(*connection, tenant.id));
  json rows = json::array();
  for (const auto& pool : pools) {
    for (const auto& caller : pool.numbers) {
      rows.push_back({{"pool", pool.name},
                      {"number", caller.number},
                      {"concurrency", caller.concurrency},
                      {"open_calls", caller.open},
                      {"used_at", time_or_null(caller.used_at)}});
    }
  }
  CALL_CHECK(session.show(table("caller ls"), rows));
  return kDone;
}

Result<Exit> remove_callers(Session& session, const CallerOptions& options) {
  if (options.all != options.numbers.empty())
    return Error{Errc::invalid_argument,
                 "give the numbers to take out, or --all to remove the pool"};
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  if (options.numbers.empty())
    CALL_CHECK(store::remove_callers(*connection, tenant.id, options.pool, ""));
  for (const auto& text : options.numbers) {
    const auto number = contacts::to_e164(text, options.region).value_or(text);
    CALL_CHECK(store::remove_callers(*connection, tenant.id, options.pool, number));
  }
  if (options.numbers.empty()) {
    session.say("caller pool '{}' removed", options.pool);
  } else {
    session.say("{} number(s) taken out of caller pool '{}'", options.numbers.size(), options.pool);
  }
  CALL_CHECK(session.show_done({{"pool", options.pool},
                                {"removed_numbers", options.numbers.size()},
                                {"removed_pool", options.numbers.empty()}}));
  return kDone;
}

void declare_name(CLI::App& command, PolicyOptions& options) {
  command.add_option("name", options.name, "Name")->required()->type_name("NAME");
}

void declare_confirm(CLI::App& command, PolicyOptions& options, const char* help) {
  command.add_option("--confirm", options.confirm, help)->type_name("NAME");
}

void declare_removal(CLI::App& command, PolicyOptions& options) {
  declare_name(command, options);
  declare_confirm(command, options, "The policy's name again, instead of asking");
}

void declare_pool(CLI::App& command, CallerOptions& options, bool required) {
  command.add_option("pool", options.pool, "Name of the pool")->required()->type_name("POOL");
  command.add_option("number", options.numbers, "Caller ids, E.164")
      ->required(required)
      ->type_name("NUMBER");
  command.add_option("--region", options.region, "For numbers without a country code, e.g. US")
      ->type_name("REGION");
}

}  // namespace

void add_policy_commands(CLI::App& app, Session& session) {
  auto* group = add_group(app, "policy", "Calling hours, caps and other rules");
  add_command<NoOptions>(
      *group, session, "presets", "The starting points by country", [](CLI::App&, NoOptions&) {},
      list_presets);
  add_command<PolicyOptions>(*group, session, "preset",
                             "Print one, to make a policy of one's own from it", declare_name,
                             show_preset);
  add_command<PolicyOptions>(
      *group, session, "set", "Make or replace a policy; what waits is judged by it at once",
      [](CLI::App& command, PolicyOptions& options) {
        declare_name(command, options);
        command.add_option("file", options.file, "TOML; - is standard input")->type_name("FILE");
        command.add_option("--preset", options.preset, "As it is, instead of a file")
            ->type_name("PRESET");
        declare_confirm(command, options,
                        "The policy's name again, instead of asking, when lists go by it");
      },
      set_policy);
  add_command<NoOptions>(
      *group, session, "ls", "The tenant's policies", [](CLI::App&, NoOptions&) {}, list_policies);
  add_command<PolicyOptions>(*group, session, "show", "One policy", declare_name, show_policy);
  add_command<PolicyOptions>(*group, session, "rm", "Remove a policy that nothing uses",
                             declare_removal, remove_policy);

  auto* caller = add_group(app, "caller", "Pools of caller ids");
  add_command<CallerOptions>(
      *caller, session, "add", "Add numbers to a pool; a new name makes a pool",
      [](CLI::App& command, CallerOptions& options) {
        declare_pool(command, options, true);
        command
            .add_option("--concurrency", options.concurrency,
                        "Calls from each number at once; 1 leases it to one call")
            ->type_name("N")
            ->check(CLI::Range(1, 1000))
            ->capture_default_str();
      },
      add_callers);
  add_command<NoOptions>(
      *caller, session, "ls", "Pools, numbers, and who is in a call", [](CLI::App&, NoOptions&) {},
      list_callers);
  add_command<CallerOptions>(
      *caller, session, "rm", "Take numbers out of a pool, or remove it",
      [](CLI::App& command, CallerOptions& options) {
        declare_pool(command, options, false);
        command.add_flag("--all", options.all, "The pool itself with all its numbers");
      },
      remove_callers);
}

}  // namespace call::cmd
