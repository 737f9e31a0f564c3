// callctl tenant | token: who may use the API.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "core/store/tenants.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct NoOptions {};

struct NameOptions {
  std::string name;
};

struct SetOptions {
  std::string name;
  std::string policy;
  std::optional<std::int64_t> concurrency;
  std::optional<double> calls_per_second;
};

struct TokenId {
  std::int64_t id = 0;
  std::string confirm;
};

json row_json(const store::Tenant& tenant) {
  return {{"id", tenant.id}, {"name", tenant.name}, {"created_at", to_rfc3339(tenant.created_at)}};
}

json full_json(const store::Tenant& tenant, const store::TenantLimits& limits) {
  auto object = row_json(tenant);
  object["policy"] = limits.policy.empty() ? json() : json(limits.policy);
  object["concurrency"] = limits.concurrency ? json(*limits.concurrency) : json();
  object["calls_per_second"] = limits.calls_per_second ? json(*limits.calls_per_second) : json();
  return object;
}

Result<Exit> create_tenant(Session& session, const NameOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, store::create_tenant(*connection, options.name));
  session.say("tenant '{}' created", tenant.name);
  CALL_CHECK(session.show_done(row_json(tenant)));
  return kDone;
}

/// What is not named stays; 0 and "none" take a limit away.
Result<Exit> set_tenant(Session& session, const SetOptions& options) {
  if (options.policy.empty() && !options.concurrency && !options.calls_per_second) {
    return Error{Errc::invalid_argument,
                 "say what to change: --policy, --concurrency or --calls-per-second"};
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, store::find_tenant(*connection, options.name));
  CALL_TRY(auto limits, store::tenant_limits(*connection, tenant.id));
  if (!options.policy.empty()) limits.policy = options.policy == "none" ? "" : options.policy;
  if (options.concurrency) limits.concurrency = options.concurrency;
  if (limits.concurrency == 0) limits.concurrency.reset();
  if (options.calls_per_second) limits.calls_per_second = options.calls_per_second;
  if (limits.calls_per_second == 0.0) limits.calls_per_second.reset();
  CALL_CHECK(store::set_tenant_limits(*connection, tenant.id, limits));
  session.say("tenant '{}' changed; calls from now on go by it, their pace within half a minute",
              tenant.name);
  CALL_CHECK(session.show_done(full_json(tenant, limits)));
  return kDone;
}

Result<Exit> show_tenant(Session& session, const NameOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, store::find_tenant(*connection, options.name));
  CALL_TRY(const auto limits, store::tenant_limits(*connection, tenant.id));
  CALL_CHECK(session.show_one(table("tenant show"), full_json(tenant, limits)));
  return kDone;
}

Result<Exit> list_tenants(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenants, store::tenants(*connection));
  json rows = json::array();
  for (const auto& tenant : tenants) rows.push_back(row_json(tenant));
  CALL_CHECK(session.show(table("tenant ls"), rows));
  return kDone;
}

Result<Exit> create_token(Session& session, const NameOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto token, store::create_token(*connection, tenant.id, options.name));
  session.say("token '{}' of tenant '{}': shown this once, only its hash is stored", options.name,
              tenant.name);
  if (session.format() == Format::table) {
    CALL_CHECK(print(token.reveal() + "\n"));
  } else {
    CALL_CHECK(session.show_done(
        {{"name", options.name}, {"tenant", tenant.name}, {"token", token.reveal()}}));
  }
  return kDone;
}

Result<Exit> list_tokens(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto tokens, store::tokens(*connection, tenant.id));
  json rows = json::array();
  for (const auto& token : tokens) {
    rows.push_back({{"id", token.id},
                    {"name", token.name},
                    {"created_at", to_rfc3339(token.created_at)},
                    {"revoked_at", time_or_null(token.revoked_at)}});
  }
  CALL_CHECK(session.show(table("token ls"), rows));
  return kDone;
}

Result<Exit> revoke_token(Session& session, const TokenId& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto tokens, store::tokens(*connection, tenant.id));
  const auto token = std::ranges::find(tokens, options.id, &store::ApiToken::id);
  if (token == tokens.end())
    return Error{Errc::not_found,
                 fmt::format("there is no token {} of the tenant {}", options.id, tenant.name)};
  CALL_CHECK(confirm(session, "lock out whoever uses the token", token->name, options.confirm));
  CALL_CHECK(store::revoke_token(*connection, tenant.id, options.id));
  session.say("token {} revoked", options.id);
  CALL_CHECK(session.show_done({{"id", options.id}, {"revoked", true}}));
  return kDone;
}

void declare_name(CLI::App& command, NameOptions& options) {
  command.add_option("name", options.name, "Name")->required()->type_name("NAME");
}

}  // namespace

void add_tenant_commands(CLI::App& app, Session& session) {
  auto* tenant = add_group(app, "tenant", "Tenants: whose lists they are");
  add_command<NameOptions>(*tenant, session, "create", "Make a tenant", declare_name,
                           create_tenant);
  add_command<NoOptions>(
      *tenant, session, "ls", "All tenants", [](CLI::App&, NoOptions&) {}, list_tenants);

  add_command<NameOptions>(*tenant, session, "show", "One tenant and what holds for all its lists",
                           declare_name, show_tenant);
  add_command<SetOptions>(
      *tenant, session, "set", "Set what holds for all lists of a tenant",
      [](CLI::App& command, SetOptions& options) {
        command.add_option("name", options.name, "Name")->required()->type_name("NAME");
        command.add_option("--policy", options.policy, "For lists that name none; none: no policy")
            ->type_name("POLICY");
        command.add_option("--concurrency", options.concurrency, "Calls at once; 0: no limit")
            ->type_name("N")
            ->check(CLI::Range(0, 100000));
        command
            .add_option("--calls-per-second", options.calls_per_second,
                        "New calls a second; 0: no limit")
            ->type_name("RATE")
            ->check(CLI::Range(0.0, 1000.0));
      },
      set_tenant);

  auto* token = add_group(app, "token", "API tokens of a tenant");
  add_command<NameOptions>(*token, session, "create", "Make a token and print it, once",
                           declare_name, create_token);
  add_command<NoOptions>(
      *token, session, "ls", "Tokens, without their secrets", [](CLI::App&, NoOptions&) {},
      list_tokens);
  add_command<TokenId>(
      *token, session, "revoke", "End a token",
      [](CLI::App& command, TokenId& options) {
        command.add_option("id", options.id, "Token id")->required()->type_name("ID");
        command.add_option("--confirm", options.confirm, "The token's name, instead of asking")
            ->type_name("NAME");
      },
      revoke_token);
}

}  // namespace call::cmd
