// Examples below `--help`, by command. A command group without one fails a test (tests/unit/cmd).
#include "cmd/examples.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string_view>

namespace call::cmd {
namespace {

struct Example {
  std::string_view
      command;  ///< without "callctl"; a group's examples are shown for its commands, too
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
            "  callctl list wait spring --timeout 7200"},
    Example{"list create",
            "  callctl list create spring people.csv --from +14155550100 --region US\n"
            "  callctl list create spring - --from +14155550100 --key spring-2026 < people.csv\n"
            "  callctl list create spring people.csv --from +14155550100 --strict --dry-run"},
    Example{"list start",
            "  callctl list start spring                     asks for the name\n"
            "  callctl list start spring --confirm spring    for scripts"},
    Example{"list entries", "  callctl list entries spring --outcome no_answer"},
    Example{"list export", "  callctl list export spring --outcome no_answer > again.csv"},
    Example{
        "list wait",
        "  callctl -q -o ndjson list wait spring --timeout 7200    one line of JSON, exit code"},
    Example{"call",
            "  callctl call ls --list spring --limit 10\n"
            "  callctl call show CA0123456789abcdef0123456789abcdef"},
    Example{"attempt",
            "  callctl attempt ls --state unknown\n"
            "  callctl attempt resolve 0b5f7b0c-2f6e-4f57-9d1b-6f3c2a1e9d10 --as give-up"},
    Example{"policy", "  callctl policy ls"},
    Example{"dnc", "  callctl dnc ls"},
    Example{"caller", "  callctl caller ls"},
    Example{"report", "  callctl report list spring > spring.html"},
    Example{"top", "  callctl -o ndjson top --interval 5 | jq --unbuffered '.calls | length'"},
    Example{"queue",
            "  callctl queue ls\n"
            "  callctl queue show dial --set failed"},
    Example{"job",
            "  callctl job show 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11\n"
            "  callctl job requeue 0f4e7a6c-6f0e-4c0b-9a0e-0a5f3f1f2f11"},
    Example{"worker", "  callctl -o ndjson worker ls"},
    Example{"cleanup",
            "  callctl cleanup plan    what a pass would do\n"
            "  callctl cleanup run"},
    Example{"db", "  callctl db migrate"},
    Example{"tenant", "  callctl tenant create acme"},
    Example{"token",
            "  callctl --tenant acme token create crm > crm.token\n"
            "  callctl token revoke 3"},
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

void add_to(CLI::App& command, const std::string& path, const std::string& group,
            std::string_view inherited) {
  const auto own = example_of(path);
  const auto text = own.empty() ? inherited : own;
  const auto page = group.empty() ? std::string("callctl") : "callctl-" + group;
  command.footer((text.empty() ? std::string() : fmt::format("\nExamples:\n{}\n", text)) +
                 fmt::format("\nManual: man {}", page));
  for (auto* child : command.get_subcommands(nullptr)) {
    add_to(*child, path.empty() ? child->get_name() : path + " " + child->get_name(),
           group.empty() ? child->get_name() : group, path.empty() ? std::string_view() : text);
  }
}

}  // namespace

void add_examples(CLI::App& app) {
  add_to(app, "", "", {});
}

}  // namespace call::cmd
