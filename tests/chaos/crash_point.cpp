#include "core/base/crash_point.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <unordered_map>

namespace call {
namespace {

struct Order {
  int number = 0;  // line of the plan, from 1
  std::string action;
};

class Orders {
 public:
  Orders() {
    if (const char* at = std::getenv("CALLD_CRASH_AT")) {
      const std::string text = at;
      const auto colon = text.rfind(':');
      if (colon == std::string::npos) std::abort();
      point_ = text.substr(0, colon);
      countdown_ = std::stol(text.substr(colon + 1));
    }
    if (const char* plan = std::getenv("CALLD_CRASH_PLAN")) {
      fired_ = std::string(plan) + ".fired";
      std::ifstream file(plan);
      std::string action;
      std::string name;
      std::string subject;
      for (int number = 1; file >> action >> name >> subject; ++number)
        orders_[name + ' ' + subject] = {number, action};
    }
  }

  void pass(const std::string& name, const std::string& subject) {
    if (name == point_ && --countdown_ == 0) ::kill(::getpid(), SIGKILL);
    const auto order = orders_.find(name + ' ' + subject);
    if (order != orders_.end() && first(order->second.number)) carry_out(order->second.action);
  }

  std::atomic<long> clock_offset_s{0};

 private:
  /// True for one process only, which is written down before anything happens.
  bool first(int number) const {
    const int fd = ::open(fired_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0 || ::flock(fd, LOCK_EX) != 0) std::abort();
    std::ifstream done(fired_);
    int other = 0;
    std::string pid;
    bool fresh = true;
    while (done >> other >> pid) fresh = fresh && other != number;
    const auto line = std::to_string(number) + ' ' + std::to_string(::getpid()) + '\n';
    if (fresh && ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      std::abort();
    ::close(fd);
    return fresh;
  }

  void carry_out(const std::string& action) {
    if (action == "kill") ::kill(::getpid(), SIGKILL);
    if (action == "stop") ::kill(::getpid(), SIGSTOP);
    if (action.starts_with("clock:")) clock_offset_s = std::stol(action.substr(6));
  }

  std::string point_;
  std::atomic<long> countdown_{0};
  std::string fired_;
  std::unordered_map<std::string, Order> orders_;
};

Orders& orders() {
  static Orders all;
  return all;
}

thread_local std::string subject_of_thread;

}  // namespace

void pass_crash_point(std::string_view name, std::string_view subject) {
  orders().pass(std::string(name), subject.empty() ? subject_of_thread : std::string(subject));
}

CrashSubject::CrashSubject(std::string_view subject) {
  subject_of_thread = subject;
}

CrashSubject::~CrashSubject() {
  subject_of_thread.clear();
}

long crash_clock_offset_s() {
  return orders().clock_offset_s;
}

}  // namespace call
