#include "cmd/completion.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/session.hpp"
#include "cmd/text_width.hpp"
#include "core/base/strings.hpp"
#include "core/rq/reads.hpp"
#include "core/store/lists.hpp"

namespace call::cmd {
namespace {

/// The words before the last, as the parser would take them.
struct Walk {
  const CLI::App* command;
  const CLI::Option* awaited = nullptr;  ///< an option that still wants its value
  std::size_t arguments = 0;             ///< of the present command
};

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

/// Options fall through to the commands above.
const CLI::Option* find_option(const CLI::App* command, std::string_view word) {
  for (; command != nullptr; command = command->get_parent()) {
    for (const auto* option : command->get_options()) {
      if (option->check_name(std::string(word))) return option;
    }
  }
  return nullptr;
}

const CLI::App* find_command(const CLI::App& parent, std::string_view word) {
  for (const auto* child : parent.get_subcommands(nullptr)) {
    if (child->get_name() == word) return child;
  }
  return nullptr;
}

void note_global(Session& session, const CLI::Option& option, const std::string& value) {
  if (option.check_name("--config")) session.options.config_file = value;
  if (option.check_name("--tenant")) session.options.tenant = value;
}

void take(Walk& walk, const std::string& word, Session& session) {
  if (walk.awaited != nullptr) {
    if (word == "=") return;  // bash hands over --option=value in three words
    note_global(session, *walk.awaited, word);
    walk.awaited = nullptr;
  } else if (word.starts_with("-") && word.size() > 1) {
    const auto equals = word.find('=');
    const auto* option = find_option(walk.command, word.substr(0, equals));
    if (option == nullptr || !takes_value(*option)) return;
    if (equals == std::string::npos) walk.awaited = option;
    if (equals != std::string::npos) note_global(session, *option, word.substr(equals + 1));
  } else if (const auto* child = find_command(*walk.command, word)) {
    walk.command = child;
    walk.arguments = 0;
  } else {
    ++walk.arguments;
  }
}

/// Placeholders with a fixed set of values that the parser does not spell out.
std::string_view fixed_values(std::string_view placeholder) {
  if (placeholder == "OUTCOME")
    return "completed|busy|no_answer|failed|machine|cancelled|refused|expired";
  if (placeholder == "SET") return "queued|started|finished|failed|deferred|scheduled|canceled";
  if (placeholder == "ROLE") return "api|worker|media|sim";
  if (placeholder == "LEVEL") return "trace|debug|info|warn|error|off";
  return placeholder;
}

Candidates values_of(const CLI::Option& option, std::string_view prefix, const LiveNames& live) {
  // Behind a colon stands what the parser checks the value with.
  const auto type_name = option.get_type_name();
  const auto placeholder = std::string_view(type_name).substr(0, type_name.find(':'));
  if (placeholder == "FILE" || placeholder == "DIR") return {true, {}};
  Candidates found;
  const auto fixed = fixed_values(placeholder);
  if (fixed.find('|') != std::string_view::npos) {
    for (const auto value : split(fixed, '|')) found.items.push_back({std::string(value), ""});
    return found;
  }
  const bool positional = option.get_positional();
  found.items = live(placeholder, positional ? "" : option.get_name(), prefix);
  return found;
}

Candidates options_of(const CLI::App* command) {
  Candidates found;
  for (; command != nullptr; command = command->get_parent()) {
    for (const auto* option : command->get_options()) {
      for (const auto& name : option->get_lnames()) {
        found.items.push_back({"--" + name, option->get_description()});
      }
    }
  }
  return found;
}

Candidates arguments_of(const Walk& walk, std::string_view prefix, const LiveNames& live) {
  Candidates found;
  for (const auto* child : walk.command->get_subcommands(nullptr)) {
    found.items.push_back({child->get_name(), child->get_description()});
  }
  if (!found.items.empty()) return found;
  std::size_t position = 0;
  for (const auto* option : walk.command->get_options()) {
    if (!option->get_positional()) continue;
    const bool takes_all_others = option->get_items_expected_max() > 1;
    if (position++ == walk.arguments || takes_all_others) return values_of(*option, prefix, live);
  }
  return found;
}

void keep_matches(Candidates& found, std::string_view prefix) {
  std::erase_if(found.items, [&](const Candidate& item) {
    // A name with a line break or an escape sequence cannot be typed either.
    return !item.value.starts_with(prefix) || printable(item.value) != item.value;
  });
}

template <class Rows, class Name, class Help>
std::vector<Candidate> candidates(const Rows& rows, Name name, Help help) {
  std::vector<Candidate> found;
  if (!rows) return found;
  for (const auto& row : *rows) found.push_back({name(row), help(row)});
  return found;
}

std::vector<Candidate> lists(Session& session, std::string_view prefix) {
  constexpr int kMost = 100;  // more are no help: one types on
  auto connection = session.database();
  const auto tenant = session.tenant();
  if (!connection || !tenant) return {};
  return candidates(
      store::lists_named(**connection, tenant->id, prefix, kMost),
      [](const auto& list) { return list.name; },
      [](const auto& list) { return std::string(store::to_string(list.state)); });
}

std::vector<Candidate> tenants(Session& session) {
  auto connection = session.database();
  if (!connection) return {};
  return candidates(
      store::tenants(**connection), [](const auto& tenant) { return tenant.name; },
      [](const auto&) { return std::string(); });
}

std::vector<Candidate> queues(Session& session) {
  auto redis = session.redis();
  if (!redis) return {};
  return candidates(
      rq::queues(**redis, service_deadline()), [](const auto& queue) { return queue.name; },
      [](const auto& queue) { return fmt::format("{} queued", queue.queued); });
}

}  // namespace

Candidates complete(const CLI::App& app, const std::vector<std::string>& words, Session& session,
                    const LiveNames& live) {
  if (words.empty()) return {};
  Walk walk{&app};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) take(walk, words[i], session);
  std::string last = words.back();
  Candidates found;
  if (walk.awaited != nullptr) {
    if (last == "=") last.clear();
    found = values_of(*walk.awaited, last, live);
  } else if (const auto equals = last.find('='); last.starts_with("--") && equals != last.npos) {
    const auto* option = find_option(walk.command, last.substr(0, equals));
    if (option != nullptr && takes_value(*option))
      found = values_of(*option, std::string_view(last).substr(equals + 1), live);
    for (auto& item : found.items) item.value.insert(0, last.substr(0, equals + 1));
  } else if (last.starts_with("-")) {
    found = options_of(walk.command);
  } else {
    found = arguments_of(walk, last, live);
  }
  keep_matches(found, last);
  return found;
}

LiveNames live_names(Session& session) {
  return
      [&session](std::string_view placeholder, std::string_view option, std::string_view prefix) {
        if (placeholder == "LIST") return lists(session, prefix);
        if (placeholder == "QUEUE") return queues(session);
        if (placeholder == "TENANT" || option == "--tenant") return tenants(session);
        return std::vector<Candidate>();
      };
}

int print_candidates(const CLI::App& app, const std::vector<std::string>& words, Session& session) {
  const auto found = complete(app, words, session, live_names(session));
  std::string text = found.files ? ":files\n" : "";
  for (const auto& item : found.items) {
    text += item.value + (item.help.empty() ? "" : "\t" + printable(item.help)) + "\n";
  }
  return print(text) ? kDone : kFailed;
}

}  // namespace call::cmd
