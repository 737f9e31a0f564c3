// Completion of command lines in bash, zsh and fish. The shells' scripts are thin: they hand the words over and show
// what comes back, so everything is answered by the same parser that runs the commands.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace call::cmd {

class Session;

struct Candidate {
  std::string value;
  std::string help;
};

/// What may stand where the last word (which may be empty) stands.
struct Candidates {
  bool files = false;  ///< a file's name: the shell knows those itself
  std::vector<Candidate> items;
};

/// Names that exist, for a placeholder such as LIST; empty when there are none or nobody can say. `option` is the name
/// of the option whose value is wanted, empty for an argument. `prefix` is what is typed of it: names that do not begin
/// so are left out later.
using LiveNames = std::function<std::vector<Candidate>(
    std::string_view placeholder, std::string_view option, std::string_view prefix)>;

/// `words`: what follows the program's name, the last one being typed. Options of the line that choose the
/// configuration and the tenant are written into the session first.
Candidates complete(const CLI::App& app, const std::vector<std::string>& words, Session& session,
                    const LiveNames& live);

/// Lists, queues and tenants, looked up; nothing when PostgreSQL or Redis does not answer at once.
LiveNames live_names(Session& session);

/// `callctl __complete -- WORDS`, which the scripts call: a candidate a line, "value<tab>help", or ":files".
int print_candidates(const CLI::App& app, const std::vector<std::string>& words, Session& session);

/// bash, zsh or fish.
void add_completion_command(CLI::App& app, Session& session);

}  // namespace call::cmd
