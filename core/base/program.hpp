// A part of what a program does may be a program of its own, linked with what that part needs and nothing else.
#pragma once

#include <string>

namespace call {

/// Becomes the program NAME, with the same process id and command line, when there is one beside this one (a build) or
/// in ../libexec/calld (an installation). Returns when there is none. Before any thread has been started.
void become_program(const std::string& name, char** argv);

}  // namespace call
