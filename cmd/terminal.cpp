#include "cmd/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "cmd/output.hpp"

namespace call::cmd {
namespace {

// The alternate screen keeps what stood in the terminal; the cursor would only jump about.
constexpr const char* kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr const char* kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};

std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void note_signal(int number) {
  g_signal = number;
}

void set_handlers(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  for (const int number : kSignals) ::sigaction(number, &action, nullptr);
}

}  // namespace

FullScreen::FullScreen() : keys_(::isatty(STDIN_FILENO) != 0) {
  enter();
}

FullScreen::~FullScreen() {
  leave();
}

void FullScreen::enter() {
  if (keys_ && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // signals stay signals
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  static_cast<void>(print(kEnter));
}

void FullScreen::leave() {
  static_cast<void>(print(kLeave));
  if (keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void FullScreen::suspend() {
  leave();
  ::raise(SIGSTOP);
  enter();
}

Size FullScreen::size() const {
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return {};
  return {window.ws_row, window.ws_col};
}

Status FullScreen::show(const std::vector<std::string>& lines) {
  std::string text = "\x1b[H";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += (i > 0 ? "\r\n" : "") + lines[i] + "\x1b[K";
  }
  return print(text + "\x1b[J");
}

CaughtSignals::CaughtSignals() {
  g_signal = 0;
  set_handlers(note_signal);
}

CaughtSignals::~CaughtSignals() {
  set_handlers(SIG_DFL);
}

int CaughtSignals::take() {
  return g_signal.exchange(0);
}

int wait_key(std::chrono::milliseconds span, bool keys) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  const int ready = ::poll(&input, keys ? 1 : 0, static_cast<int>(span.count()));
  if (ready <= 0) return 0;
  char key = 0;
  return ::read(STDIN_FILENO, &key, 1) == 1 ? static_cast<unsigned char>(key) : -1;
}

}  // namespace call::cmd
