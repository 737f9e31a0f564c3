#pragma once

namespace CLI {
class App;
}

namespace call::cmd {

/// Puts examples, and the name of the manual page, below the help of every command.
void add_examples(CLI::App& app);

}  // namespace call::cmd
