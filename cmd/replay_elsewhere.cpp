#include "cmd/replay.hpp"
#include "core/base/program.hpp"

namespace call::cmd {

Result<Exit> replay_call(Session& session, const ReplayOptions&) {
  become_program("callctl-replay", session.argv);
  return Error{
      Errc::internal,
      "callctl-replay is neither beside callctl nor in ../libexec/calld: install it again"};
}

}  // namespace call::cmd
