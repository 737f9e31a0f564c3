#include "cmd/list_options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "cmd/input.hpp"
#include "core/base/clock.hpp"
#include "core/contacts/phone.hpp"

namespace call::cmd {

void declare_file(CLI::App& command, FileOptions& options) {
  command
      .add_option("file", options.file,
                  "CSV with a column `phone`, or JSON lines; - is standard input")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--format", options.format, "Else by the file's name: .jsonl, .ndjson, or CSV")
      ->type_name("csv|jsonl")
      ->check(CLI::IsMember({"csv", "jsonl"}));
  command.add_option("--region", options.region, "For numbers without a country code, e.g. US")
      ->type_name("REGION");
  command
      .add_option("--not-after", options.not_after,
                  "Whoever was not called by then is not called; a row's own not_after goes first")
      ->type_name("TIME")
      ->check([](const std::string& text) {
        return parse_rfc3339(text) ? std::string()
                                   : text + " is no time such as 2026-11-23T18:00:00Z";
      });
  command.add_flag("--strict", options.strict, "Refuse the whole file when a row is refused");
  command.add_flag("--dry-run", options.dry_run,
                   "Do all of it but the writing: what would be refused, and why");
}

void declare_unique(CLI::App& command, std::string& unique) {
  command
      .add_option(
          "--unique", unique,
          "Where a number may stand once: in this list, in all while its entry there is not "
          "done, in all that there ever were")
      ->type_name("list|open|tenant")
      ->check(CLI::IsMember({"list", "open", "tenant"}))
      ->capture_default_str();
}

void declare_create(CLI::App& command, CreateOptions& o) {
  auto& s = o.settings;
  command.add_option("name", o.name, "Name of the list, unique in the tenant")
      ->required()
      ->type_name("NAME");
  declare_file(command, o.file);
  auto* from = command.add_option("--from", o.from, "Caller id, E.164")->type_name("NUMBER");
  command.add_option("--from-pool", s.caller_pool, "Caller ids of this pool instead")
      ->type_name("POOL")
      ->excludes(from);
  command
      .add_option("--policy", s.policy, "When they may be called; without it the tenant's policy")
      ->type_name("POLICY");
  command
      .add_option("--priority", s.priority,
                  "Lists of the tenant with a lower one wait while this one can dial")
      ->type_name("N")
      ->check(CLI::Range(-99, 99))
      ->capture_default_str();
  command.add_option("--agent", s.agent, "Who talks")->type_name("AGENT")->capture_default_str();
  command.add_option("--concurrency", s.concurrency, "Calls at the same time")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--calls-per-second", s.calls_per_second, "New calls a second")
      ->type_name("RATE")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  command.add_option("--amd", o.amd, "Answering machine detection")
      ->type_name("off|async|sync")
      ->check(CLI::IsMember({"off", "async", "sync"}))
      ->capture_default_str();
  command.add_option("--on-machine", o.on_machine, "What its verdict does")
      ->type_name("hang_up|talk")
      ->check(CLI::IsMember({"hang_up", "talk"}))
      ->capture_default_str();
  declare_unique(command, o.unique);
  command.add_option("--ring-timeout", o.ring_timeout_s, "Let it ring so long")
      ->type_name("TIME")
      ->transform(as_seconds())
      ->check(CLI::Range(15, 600))
      ->capture_default_str();
  command.add_option("--time-limit", o.time_limit_s, "Longest call")
      ->type_name("TIME")
      ->transform(as_seconds())
      ->check(CLI::Range(10, 14400))
      ->capture_default_str();
  command
      .add_option("--max-attempts", s.max_attempts,
                  "Tries per entry when busy, unanswered or failed")
      ->type_name("N")
      ->check(CLI::Range(1, 20))
      ->capture_default_str();
  command.add_option("--retry-after", o.retry_after_s, "Pause before the next try")
      ->type_name("TIME")
      ->transform(as_seconds())
      ->check(CLI::Range(0, 604800))
      ->capture_default_str();
  command
      .add_option("--key", o.key,
                  "The same key again returns the list made first: safe to repeat from cron")
      ->type_name("KEY");
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
  list.settings.on_machine =
      store::parse_on_machine(options.on_machine).value_or(store::OnMachine::hang_up);
  list.unique = store::parse_unique(options.unique).value_or(store::Unique::list);
  if (options.from.empty() && options.settings.caller_pool.empty())
    return Error{Errc::invalid_argument, "say who calls: --from NUMBER or --from-pool POOL"};
  const auto from = contacts::to_e164(options.from, options.file.region);
  if (!options.from.empty() && !from && !contacts::is_e164(options.from)) {
    return Error{Errc::invalid_argument,
                 fmt::format("--from '{}' is no number such as +14155550100", options.from)};
  }
  // Twilio's test numbers (+1500555...) are not valid numbers; E.164 is all that a caller id must be here.
  list.settings.from_number = from.value_or(options.from);
  CALL_CHECK(store::check_settings(list.settings));
  return list;
}

}  // namespace call::cmd
