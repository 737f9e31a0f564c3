// callctl call replay runs a conversation again, with all that it needs. It is a program of its own, callctl-replay:
// callctl would otherwise load twice as much at each start, of any command. Who links call_cmd links one of two
// definitions of this as well: call_replay, which does it, or call_replay_elsewhere, which hands the command line over.
#pragma once

#include <string>

#include "cmd/session.hpp"

namespace call::cmd {

struct ReplayOptions {
  std::string call;
  bool file = false;
  bool trace = false;
};

/// 0: all decisions the same, 1: not.
Result<Exit> replay_call(Session& session, const ReplayOptions& options);

}  // namespace call::cmd
