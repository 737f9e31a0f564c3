#include "cmd/completion.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <catch2/catch.hpp>

#include "cmd/commands.hpp"
#include "cmd/session.hpp"

namespace call::cmd {
namespace {

/// The real parser, with names that a database would know.
struct Shell {
  Shell() {
    declare_commands(app, session);
    live = [](std::string_view placeholder, std::string_view option, std::string_view) {
      std::vector<Candidate> names;
      if (placeholder == "LIST") {
        names = {{"spring", "running"}, {"spring sale", "draft"}, {"bad\x1b[2Jname", "draft"}};
      }
      if (option == "--tenant") names = {{"acme", ""}};
      return names;
    };
  }

  std::vector<std::string> operator()(const std::vector<std::string>& words) {
    std::vector<std::string> values;
    for (const auto& item : complete(app, words, session, live).items) values.push_back(item.value);
    std::ranges::sort(values);
    return values;
  }

  CLI::App app{"", "callctl"};
  Session session;
  LiveNames live;
};

using Words = std::vector<std::string>;

bool contains(const Words& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

TEST_CASE("cmd.completion: commands, and the commands below them") {
  Shell shell;
  CHECK(contains(shell({""}), "list"));
  CHECK(contains(shell({""}), "doctor"));
  CHECK(shell({"list", "sh"}) == Words{"show"});
  CHECK(shell({"nonsense", "sh"}).empty());
}

TEST_CASE("cmd.completion: options of the command and of callctl, wherever they stand") {
  Shell shell;
  CHECK(shell({"list", "create", "--reg"}) == Words{"--region"});
  CHECK(shell({"list", "create", "--ten"}) == Words{"--tenant"});
  CHECK(shell({"--tenant", "acme", "list", "cre"}) == Words{"create"});
  CHECK(shell({"-o", "json", "list", "cre"}) == Words{"create"});
}

TEST_CASE("cmd.completion: values that the parser knows") {
  Shell shell;
  CHECK(shell({"-o", ""}) == Words{"csv", "json", "ndjson", "table"});
  CHECK(shell({"--output", "nd"}) == Words{"ndjson"});
  CHECK(shell({"--output=nd"}) == Words{"--output=ndjson"});
  CHECK(shell({"--output", "=", "nd"}) == Words{"ndjson"});
  CHECK(shell({"list", "create", "--amd", ""}) == Words{"async", "off", "sync"});
  CHECK(shell({"completion", ""}) == Words{"bash", "fish", "zsh"});
}

TEST_CASE("cmd.completion: names that exist; one that would drive the terminal is left out") {
  Shell shell;
  CHECK(shell({"list", "show", ""}) == Words{"spring", "spring sale"});
  CHECK(shell({"list", "show", "spring "}) == Words{"spring sale"});
  CHECK(shell({"list", "show", "spring", ""}).empty());
  CHECK(shell({"call", "ls", "--list", "spr"}) == Words{"spring", "spring sale"});
  CHECK(shell({"--tenant", ""}) == Words{"acme"});
}

TEST_CASE("cmd.completion: a file is the shell's own business") {
  Shell shell;
  CHECK(complete(shell.app, {"list", "create", "spring", ""}, shell.session, shell.live).files);
  CHECK(complete(shell.app, {"--config", "/e"}, shell.session, shell.live).files);
}

TEST_CASE("cmd.completion: the line's own configuration and tenant are used to look names up") {
  Shell shell;
  shell({"--config=/tmp/other.toml", "--tenant", "acme", "list", "show", ""});
  CHECK(shell.session.options.config_file == "/tmp/other.toml");
  CHECK(shell.session.options.tenant == "acme");
}

void check_help(const CLI::App& command, const std::string& path, const std::string& page) {
  INFO(path << ": add an example of it to cmd/examples.cpp");
  const auto help = command.help();
  const auto examples = help.find("\nExamples:\n  ");
  REQUIRE(examples != std::string::npos);
  const auto children = command.get_subcommands(nullptr);
  const auto end = help.find("\nManual: man " + page, examples);
  REQUIRE(end != std::string::npos);
  // Of its own: with its words, behind the options that may stand in front of them.
  if (children.empty())
    CHECK(help.substr(examples, end - examples).find(" " + path) != std::string::npos);
  for (const auto* child : children) check_help(*child, path + " " + child->get_name(), page);
}

TEST_CASE("cmd.help: every command shows an example of its own and its manual page") {
  Shell shell;
  for (const auto* group : shell.app.get_subcommands(nullptr))
    check_help(*group, group->get_name(), "callctl-" + group->get_name());
}

}  // namespace
}  // namespace call::cmd
