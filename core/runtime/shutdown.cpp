#include "core/runtime/shutdown.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <initializer_list>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"

namespace call::runtime {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

sigset_t our_signals() {
  return set_of({SIGTERM, SIGINT, SIGHUP});
}

void set_mask(int how, const sigset_t& set) {
  CALL_ASSERT(pthread_sigmask(how, &set, nullptr) == 0);
}

}  // namespace

Shutdown::Shutdown()
    : signal_fd_([] {
        const sigset_t set = our_signals();
        set_mask(SIG_BLOCK, set);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
      }()),
      request_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CALL_ASSERT(signal_fd_ >= 0 && request_fd_ >= 0);
  CALL_ASSERT(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

Shutdown::~Shutdown() {
  close(signal_fd_);
  close(request_fd_);
}

std::optional<Shutdown::Event> Shutdown::wait(Deadline deadline) {
  assert_may_block("Shutdown::wait");
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {request_fd_, POLLIN, 0}};
    const int ready = poll(fds, 2, static_cast<int>(deadline.left().count()));
    if (ready < 0) CALL_ASSERT(errno == EINTR);

    std::uint64_t requests = 0;
    signalfd_siginfo info{};
    const bool requested = read(request_fd_, &requests, sizeof requests) > 0;
    const bool signalled = read(signal_fd_, &info, sizeof info) == sizeof info;
    if (signalled && info.ssi_signo == SIGHUP && !requested) return Event::reload;
    if (requested || signalled) {
      for (const int signal : {SIGTERM, SIGINT})
        CALL_ASSERT(std::signal(signal, SIG_DFL) != SIG_ERR);
      set_mask(SIG_UNBLOCK, set_of({SIGTERM, SIGINT}));
      return Event::drain;
    }
    if (deadline.passed()) return std::nullopt;
  }
}

void Shutdown::request() {
  const std::uint64_t one = 1;
  const auto written = write(request_fd_, &one, sizeof one);
  CALL_ASSERT(written == sizeof one || errno == EAGAIN);
}

void restore_signals_in_child() {
  std::signal(SIGPIPE, SIG_DFL);
  const sigset_t set = our_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace call::runtime
