// The shape that every command shares: parse into a struct of its own, then run it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "cmd/session.hpp"

namespace call::cmd {

/// Adds a subcommand whose options live in an Options; `declare` adds them to the parser, `run` is the command.
template <class Options>
CLI::App* add_command(CLI::App& parent, Session& session, const std::string& name,
                      const std::string& help,
                      const std::function<void(CLI::App&, Options&)>& declare,
                      std::function<Result<Exit>(Session&, const Options&)> run) {
  auto* command = parent.add_subcommand(name, help);
  auto options = std::make_shared<Options>();
  declare(*command, *options);
  command->callback([&session, options, run = std::move(run)] {
    session.action = [&session, options, run] { return run(session, *options); };
  });
  return command;
}

/// A group such as `callctl list`, which is nothing without a subcommand.
inline CLI::App* add_group(CLI::App& parent, const std::string& name, const std::string& help) {
  auto* group = parent.add_subcommand(name, help);
  group->require_subcommand(1);
  group->fallthrough();
  return group;
}

/// --limit N, which is limit.rows unless somebody says so.
inline void declare_limit(CLI::App& command, Limit& limit) {
  constexpr int kMostRows = 1'000'000;
  command.add_option("--limit", limit.rows, "At most so many")
      ->type_name("N")
      ->check(CLI::Range(1, kMostRows))
      ->capture_default_str()
      ->each([&limit](const std::string&) { limit.given = true; });
}

}  // namespace call::cmd
