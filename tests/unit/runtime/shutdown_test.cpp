// Each case runs in a child process: signal masks and dispositions belong to the whole process.
#include "core/runtime/shutdown.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

using namespace call;
using namespace call::runtime;
using namespace std::chrono_literals;

namespace {

// The wait status of a child that runs `body` and exits with its value.
template <class F>
int status_of_child(F body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

void check_exits_with_zero(int status) {
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace

TEST_CASE("runtime.shutdown: SIGTERM and SIGINT drain, SIGHUP reloads, nothing is a timeout") {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, 0}) {
    CAPTURE(signal);
    check_exits_with_zero(status_of_child([signal] {
      Shutdown shutdown;
      if (signal != 0) kill(getpid(), signal);
      const auto event = shutdown.wait(Deadline::after(signal == 0 ? 10ms : 10s));
      if (signal == 0) return event ? 1 : 0;
      return event == (signal == SIGHUP ? Shutdown::Event::reload : Shutdown::Event::drain) ? 0 : 2;
    }));
  }
}

TEST_CASE("runtime.shutdown: a second SIGTERM ends the process at once") {
  const int status = status_of_child([] {
    Shutdown shutdown;
    kill(getpid(), SIGTERM);
    if (shutdown.wait(Deadline::after(10s)) != Shutdown::Event::drain) return 1;
    kill(getpid(), SIGTERM);
    return 2;
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("runtime.shutdown: another thread may ask for the end") {
  check_exits_with_zero(status_of_child([] {
    Shutdown shutdown;
    std::thread part([&] { shutdown.request(); });
    const auto event = shutdown.wait(Deadline::after(10s));
    part.join();
    return event == Shutdown::Event::drain ? 0 : 1;
  }));
}

TEST_CASE("runtime.shutdown: a child that restores its signals can be ended") {
  const int status = status_of_child([] {
    const Shutdown shutdown;
    restore_signals_in_child();
    kill(getpid(), SIGHUP);
    return 1;
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGHUP);
}
