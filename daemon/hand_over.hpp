// A role may have a program of its own, which is linked with what that role needs and nothing else.
#pragma once

#include <string_view>

namespace call::daemon {

/// Becomes calld-ROLE, with the same process id and command line, when there is such a program
/// beside this one (a build) or in ../libexec/calld (an installation). Returns when there is none:
/// the roles of calld work all the same. Before any thread has been started.
void become_program_of(std::string_view role, char** argv);

}  // namespace call::daemon
