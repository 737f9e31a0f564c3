// Examples below `--help`, by command. A command without one fails a test (tests/unit/cmd).
#include "cmd/examples.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string_view>

namespace call::cmd {
namespace {

struct Example {
  std::string_view command;  ///< without "callctl"
  std::string_view text;
};

constexpr std::array kExamples = {
    Example{"",
            "  callctl list create spring people.csv --from +14155550100\n"
            "  callctl list start spring --confirm spring\n"
            "  callctl list watch spring"},
    Example{"list",
            "  callctl list create spring people.csv --from +14155550100 --region US\n"
            "  callctl list start spring --confirm spring\n"
            "  callctl list wait spring --timeout 2h"},
    Example{"list create",
            "  callctl list create spring people.csv --from +14155550100 --region US\n"
            "  callctl list create spring - --from +14155550100 --key spring-2026 < people.csv\n"
            "  callctl list create spring people.csv --from +14155550100 --strict --dry-run"},
    Example{"list append", "  callctl list append spring more.csv --region US --dry-run"},
    Example{"list ls", "  callctl -o csv list ls --limit 1000"},
    Example{"list show", "  callctl list show spring"},
    Example{"list start",
            "  callctl list start spring --dry-run             how many, and when\n"
            "  callctl list start spring                       asks for the name\n"
            "  callctl list start spring --confirm spring      for scripts"},
    Example{"list set", "  callctl list set spring --concurrency 10"},
    Example{"list pause", "  callctl list pause spring --hang-up"},
    Example{"list resume", "  callctl list resume spring"},
    Example{"list cancel", "  callctl list cancel spring --confirm spring"},
    Example{"list entries", "  callctl list entries spring --outcome no_answer"},
    Example{"list export", "  callctl list export spring --outcome no_answer > again.csv"},
    Example{"list explain", "  callctl list explain spring/17"},
    Example{"list watch", "  callctl list watch spring"},
    Example{"list wait",
            "  callctl -q -o ndjson list wait spring --timeout 2h    one line of JSON, exit code"},
    Example{"policy",
            "  callctl policy preset us-tsr > ours.toml\n"
            "  callctl policy set ours ours.toml\n"
            "  callctl tenant set default --policy ours"},
    Example{"policy presets", "  callctl policy presets"},
    Example{"policy preset", "  callctl policy preset us-tsr > ours.toml"},
    Example{"policy set", "  callctl policy set ours ours.toml --confirm ours"},
    Example{"policy ls", "  callctl policy ls"},
    Example{"policy show", "  callctl -o json policy show ours | jq .document"},
    Example{"policy rm", "  callctl policy rm ours --confirm ours"},
    Example{"caller",
            "  callctl caller add sales +14155550100 +14155550101\n"
            "  callctl list create spring people.csv --from-pool sales"},
    Example{"caller add", "  callctl caller add sales +14155550100 +14155550101"},
    Example{"caller ls", "  callctl caller ls"},
    Example{"caller rm",
            "  callctl caller rm sales +14155550101\n"
            "  callctl caller rm sales --all"},
    Example{"dnc",
            "  callctl dnc add +14155550123 --note 'asked on the telephone'\n"
            "  callctl dnc ls --number +14155550123"},
    Example{"dnc add", "  callctl dnc add +14155550123 '+1900*' --note 'asked on the telephone'"},
    Example{"dnc rm", "  callctl dnc rm +14155550123 --confirm +14155550123"},
    Example{"dnc ls", "  callctl dnc ls --number +14155550123"},
    Example{"dnc import",
            "  callctl dnc import registry.txt --registry us-ftc --region US\n"
            "  curl --fail https://example.com/dnc.txt | callctl dnc import - --registry us-ftc"},
    Example{"call",
            "  callctl call ls --list spring --limit 10\n"
            "  callctl call show CA0123456789abcdef0123456789abcdef"},
    Example{"call ls", "  callctl call ls --list spring --limit 10"},
    Example{"call show", "  callctl call show CA0123456789abcdef0123456789abcdef"},
    Example{"call replay", "  callctl call replay CA0123456789abcdef0123456789abcdef"},
    Example{"report", "  callctl report list spring > spring.html"},
    Example{"report call", "  callctl report call CA0123456789abcdef0123456789abcdef > call.html"},
    Example{"report list", "  callctl report list spring > spring.html"},
    Example{"top", "  callctl -o ndjson top --interval 5 | jq --unbuffered '.calls | length'"},
    Example{"attempt",
            "  callctl attempt ls --state unknown\n"
            "  callctl attempt resolve 0b5f7b0c-2f6e-4f57-9d1b-6f3c2a1e9d10 --as give-up"},
    Example{"attempt ls", "  callctl attempt ls --state unknown"},
    Example{"attempt show", "  callctl attempt show 0b5f7b0c-2f6e-4f57-9d1b-6f3c2a1e9d10"},
    Example{"attempt resolve",
            "  callctl attempt resolve 0b5f7b0c-2f6e-4f57-9d1b-6f3c2a1e9d10 --as give-up"},
    Example{"queue",
            "  callctl queue ls\n"
            "  callctl queue show dial --set failed"},
    Example{"queue ls", "  callctl queue ls"},
    Example{"queue show", "  callctl queue show dial --set failed"},
    Example{"queue requeue",
            "  callctl queue requeue dial --reason ConnectionError --confirm dial"},
    Example{"queue purge", "  callctl queue purge nightly --confirm nightly"},
    Example{"job",
            "  callctl job show 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11\n"
            "  callctl job requeue 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"job ls", "  callctl job ls --set failed --queue default"},
    Example{"job show", "  callctl job show 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"job enqueue",
            "  callctl job enqueue default reports.make 2026 --kwarg copies=2 --wait "
            "--wait-timeout 10m"},
    Example{"job cancel", "  callctl job cancel 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"job requeue", "  callctl job requeue 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"job stop", "  callctl job stop 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"job delete",
            "  callctl job delete 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11 --confirm "
            "0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"worker", "  callctl -o ndjson worker ls"},
    Example{"worker ls", "  callctl -o ndjson worker ls"},
    Example{"worker stop", "  callctl worker stop machine-1.4711"},
    Example{"worker suspend", "  callctl worker suspend --for 10m --confirm all"},
    Example{"worker resume", "  callctl worker resume"},
    Example{"cleanup",
            "  callctl cleanup plan    what a pass would do\n"
            "  callctl cleanup run"},
    Example{"cleanup plan", "  callctl cleanup plan"},
    Example{"cleanup run", "  callctl cleanup run"},
    Example{"cleanup ls", "  callctl cleanup ls"},
    Example{"cleanup show", "  callctl cleanup show 17"},
    Example{"cleanup replay", "  callctl cleanup replay 17"},
    Example{"db", "  callctl db migrate"},
    Example{"db migrate", "  callctl db migrate"},
    Example{"db status", "  callctl db status"},
    Example{"tenant", "  callctl tenant create acme"},
    Example{"tenant create", "  callctl tenant create acme"},
    Example{"tenant ls", "  callctl tenant ls"},
    Example{"tenant show", "  callctl tenant show acme"},
    Example{"tenant set", "  callctl tenant set acme --policy ours --concurrency 20"},
    Example{"token",
            "  callctl --tenant acme token create crm > crm.token\n"
            "  callctl --tenant acme token ls"},
    Example{"token create", "  callctl --tenant acme token create crm > crm.token"},
    Example{"token ls", "  callctl --tenant acme token ls"},
    Example{"token revoke", "  callctl --tenant acme token revoke 3 --confirm crm"},
    Example{"log-level", "  callctl log-level worker dialer debug"},
    Example{"doctor",
            "  callctl doctor\n"
            "  callctl -q -o ndjson doctor    for monitoring: exit 1 on an error"},
    Example{"completion",
            "  source <(callctl completion bash)\n"
            "  callctl completion fish | source"},
};

std::string_view example_of(std::string_view command) {
  for (const auto& example : kExamples) {
    if (example.command == command) return example.text;
  }
  return {};
}

void add_to(CLI::App& command, const std::string& path, const std::string& group) {
  const auto text = example_of(path);
  const auto page = group.empty() ? std::string("callctl") : "callctl-" + group;
  command.footer((text.empty() ? std::string() : fmt::format("\nExamples:\n{}\n", text)) +
                 fmt::format("\nManual: man {}", page));
  for (auto* child : command.get_subcommands(nullptr)) {
    add_to(*child, path.empty() ? child->get_name() : path + " " + child->get_name(),
           group.empty() ? child->get_name() : group);
  }
}

}  // namespace

void add_examples(CLI::App& app) {
  add_to(app, "", "");
}

}  // namespace call::cmd
