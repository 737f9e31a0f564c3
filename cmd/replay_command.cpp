#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/replay.hpp"

namespace call::cmd {

void add_replay_command(CLI::App& call, Session& session) {
  add_command<ReplayOptions>(
      call, session, "replay",
      "Run a taped call again through the same code: 0 all decisions the same, 1 not",
      [](CLI::App& command, ReplayOptions& options) {
        command.add_option("call", options.call, "Call SID or attempt id")
            ->required()
            ->type_name("CALL");
        command.add_flag("--file", options.file, "CALL is a tape's file, not a call's id");
        command.add_flag("--trace", options.trace, "Print every input and decision");
      },
      replay_call);
}

}  // namespace call::cmd
