#include "core/log/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"

namespace call::log {
namespace {

// A pipe whose write end takes log lines; read_all() after the Session ended.
class Capture {
 public:
  Capture() { REQUIRE(::pipe(fds_) == 0); }
  ~Capture() {
    ::close(fds_[0]);
    if (fds_[1] >= 0) ::close(fds_[1]);
  }
  int fd() const { return fds_[1]; }
  int read_fd() const { return fds_[0]; }
  std::string read_all() {
    ::close(fds_[1]);
    fds_[1] = -1;
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(fds_[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int fds_[2] = {-1, -1};
};

Options to(const Capture& capture, std::string levels) {
  Options options;
  options.format = Format::json;
  options.levels = std::move(levels);
  options.fd = capture.fd();
  return options;
}

TEST_CASE("log: the level of each module decides what is written") {
  Capture capture;
  {
    auto session = setup(to(capture, "warn,rq=debug"));
    REQUIRE(session.ok());
    Logger("api").info("not this");
    Logger("api").warn("this {}", 1);
    Logger("rq").debug("and this");
    Logger("rq").trace("not that");
    REQUIRE(set_level("api", Level::trace).ok());
    Logger("api").trace("now this");
  }
  const std::string text = capture.read_all();
  CHECK(text.find("not this") == std::string::npos);
  CHECK(text.find("not that") == std::string::npos);
  CHECK(text.find("this 1") != std::string::npos);
  CHECK(text.find("and this") != std::string::npos);
  CHECK(text.find("now this") != std::string::npos);
  REQUIRE(set_levels("info").ok());
}

TEST_CASE("log: bound fields are added, and a key bound again is replaced") {
  Capture capture;
  {
    auto session = setup(to(capture, "info"));
    REQUIRE(session.ok());
    const auto list = Logger("dialer").with("list", 7).with("try", 1);
    list.with("try", 2).with("to", "x").info("hello");
    list.info("bye");
  }
  const std::string text = capture.read_all();
  CHECK(text.find(R"("msg":"hello","list":7,"try":2,"to":"x"})") != std::string::npos);
  CHECK(text.find(R"("msg":"bye","list":7,"try":1})") != std::string::npos);
}

TEST_CASE("log: threads log and change levels at the same time, and no line is torn") {
  constexpr int kThreads = 4;
  constexpr int kLines = 50;
  Capture capture;
  {
    auto session = setup(to(capture, "info"));
    REQUIRE(session.ok());
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        const auto log = Logger("media").with("thread", t);
        for (int i = 0; i < kLines; ++i) {
          log.info("line {}", i);
          static_cast<void>(set_level("rq", i % 2 == 0 ? Level::debug : Level::info));
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(dropped_lines() == 0);
  }
  int lines = 0;
  const std::string text = capture.read_all();
  for (const auto line : split(text, '\n')) {
    if (line.empty()) continue;
    ++lines;
    CHECK((line.starts_with("{\"time\":") && line.ends_with("}")));
  }
  CHECK(lines == kThreads * kLines);
}

TEST_CASE("log: an output that stands still never holds up the program, and drops are counted") {
  Capture capture;  // nobody reads: the pipe fills up, the log thread stands still
  std::thread drain;
  std::string text;
  {
    Options options = to(capture, "info");
    options.queue_lines = 16;
    auto session = setup(options);
    REQUIRE(session.ok());
    const Logger log("media");
    const std::string filler(1000, 'x');
    for (int i = 0; i < 1000; ++i) log.info("{} {}", i, filler);
    CHECK(dropped_lines() > 0);
    drain = std::thread([&] {
      char buffer[65536];
      while (text.find("last words") == std::string::npos) {
        const auto got = ::read(capture.read_fd(), buffer, sizeof buffer);
        if (got <= 0) return;
        text.append(buffer, static_cast<std::size_t>(got));
      }
    });
    log.info("last words");
  }
  drain.join();
  CHECK(text.find("last words") != std::string::npos);
}

TEST_CASE("log: a specification is taken whole or not at all, and says what is wrong") {
  REQUIRE(set_levels("info").ok());
  const auto bad_level = set_levels("debug,rq=loud");
  REQUIRE_FALSE(bad_level.ok());
  CHECK(bad_level.error().context.find("\"loud\"") != std::string::npos);
  const auto bad_module = set_levels("debug,rqq=debug");
  REQUIRE_FALSE(bad_module.ok());
  CHECK(bad_module.error().context.find("no log module \"rqq\"") != std::string::npos);
  CHECK_FALSE(Logger("api").enabled(Level::debug));
}

TEST_CASE("log: the middle of a phone number is masked unless numbers are shown") {
  CHECK(mask_phone("+14155550123") == "+1415*****23");
  CHECK(mask_phone("+97235550199") == "+9723*****99");
  CHECK(mask_phone("12345") == "***45");
  CHECK(mask_phone("911") == "***");
  CHECK(mask_phone("").empty());
  set_show_numbers(true);
  CHECK(mask_phone("+14155550123") == "+14155550123");
  set_show_numbers(false);
}

TEST_CASE("log: a throttle lets one line through and counts the others") {
  Throttle never_again{std::chrono::hours(1)};
  CHECK(never_again.admit() == 0U);
  CHECK_FALSE(never_again.admit());
  CHECK_FALSE(never_again.admit());
  Throttle always{std::chrono::milliseconds(0)};
  CHECK(always.admit() == 0U);
  CHECK(always.admit() == 0U);
}

}  // namespace
}  // namespace call::log
