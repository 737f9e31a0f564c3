// callctl list explain: why an entry was called, was not, or will be, and when.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/text_width.hpp"
#include "core/store/explain.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct ExplainOptions {
  std::string entry;
};

json to_json(const store::Explanation& said, const Session& session) {
  json reasons = json::array();
  for (const auto& reason : said.reasons) {
    reasons.push_back({{"question", reason.question},
                       {"answer", reason.answer},
                       {"detail", reason.detail},
                       {"until", time_or_null(reason.until)}});
  }
  json attempts = json::array();
  for (const auto& attempt : said.attempts) {
    attempts.push_back(
        {{"n", attempt.n},
         {"state", store::to_string(attempt.state)},
         {"status", attempt.status ? json(store::to_string(*attempt.status)) : json()},
         {"from", attempt.from_number},
         {"created_at", to_rfc3339(attempt.created_at)},
         {"sent_at", time_or_null(attempt.sent_at)},
         {"ended_at", time_or_null(attempt.ended_at)},
         {"error", attempt.error_message}});
  }
  auto out = to_json(said.entry, session, false);
  out.erase("variables");
  out["list"] = said.list.name;
  out["policy"] = said.policy.empty() ? json() : json(said.policy);
  out["verdict"] = said.verdict;
  out["summary"] = said.summary;
  out["next_at"] = time_or_null(said.next);
  out["reasons"] = std::move(reasons);
  out["attempt_history"] = std::move(attempts);
  return out;
}

std::string for_people(const store::Explanation& said, const Session& session) {
  const auto& entry = said.entry;
  auto out = fmt::format("{}  {}  {}, line {} of list {} ({})\n{}\n",
                         session.number(entry.phone.empty() ? entry.phone_raw : entry.phone),
                         printable(entry.name), store::to_string(entry.state), entry.seq,
                         printable(said.list.name),
                         said.policy.empty() ? "no policy" : "policy " + printable(said.policy),
                         printable(said.summary));
  for (const auto& reason : said.reasons)
    out += fmt::format("  {:<5} {:<19} {}\n", reason.answer, reason.question,
                       printable(reason.detail));
  for (const auto& attempt : said.attempts) {
    out +=
        fmt::format("  attempt {}  {}  {}{}{}\n", attempt.n, to_rfc3339(attempt.created_at),
                    store::to_string(attempt.state),
                    attempt.status ? " " + std::string(store::to_string(*attempt.status)) : "",
                    attempt.error_message.empty() ? "" : ": " + printable(attempt.error_message));
  }
  return out;
}

Result<Exit> explain(Session& session, const ExplainOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto* config, session.configuration());
  CALL_TRY(const auto said, store::explain_entry(*connection, tenant.id, options.entry,
                                                 config->carrier.concurrency));
  if (session.format() == Format::table) {
    CALL_CHECK(print(for_people(said, session)));
  } else {
    CALL_CHECK(session.show_one({{"id", "id"},
                                 {"list", "list"},
                                 {"seq", "line"},
                                 {"phone", "phone"},
                                 {"state", "state"},
                                 {"verdict", "verdict"},
                                 {"next_at", "next"},
                                 {"summary", "summary"}},
                                to_json(said, session)));
  }
  return kDone;
}

}  // namespace

void add_explain_command(CLI::App& list, Session& session) {
  add_command<ExplainOptions>(
      list, session, "explain", "Why an entry was called, was not, or will be, and when",
      [](CLI::App& command, ExplainOptions& options) {
        command.add_option("entry", options.entry, "Entry id, or LIST/LINE")
            ->required()
            ->type_name("ENTRY");
      },
      explain);
}

}  // namespace call::cmd
