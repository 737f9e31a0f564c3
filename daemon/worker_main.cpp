// calld-worker: `calld worker` in a program of its own. A worker that waits for jobs should cost next
// to nothing, and what the other roles are linked with (speech engines, telephone numbers' data) is a
// third of calld's memory before anything was done with it.
#include "daemon/command_line.hpp"

int main(int argc, char** argv) {
  CLI::App app("RQ worker, as `calld worker` runs it. See calld(8).", "calld");
  call::daemon::Arguments arguments;
  call::daemon::add_worker(app, arguments);
  return call::daemon::run_command_line(app, arguments, argc, argv);
}
