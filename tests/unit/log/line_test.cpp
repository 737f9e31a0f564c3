#include "core/log/line.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/scope_exit.hpp"

namespace call::log {
namespace {

const WallTime kTime = parse_rfc3339("2026-11-23T21:56:03.123Z").value();

std::string line_of(LineStyle style, std::string_view message, std::vector<Field> fields = {},
                    Level level = Level::info) {
  return format_line(style, {kTime, level, "dialer", message, &fields});
}

TEST_CASE("log.line: text has time, level, module, message and fields") {
  CHECK(line_of(LineStyle::text, "placed", {{"list", "3", true}, {"name", "a b", false}}) ==
        "2026-11-23T21:56:03.123Z info  dialer: placed list=3 name=\"a b\"\n");
}

TEST_CASE("log.line: JSON keeps numbers bare and quotes the rest") {
  CHECK(line_of(LineStyle::json, "say \"hi\" \\", {{"list", "3", true}, {"to", "3", false}}) ==
        R"({"time":"2026-11-23T21:56:03.123Z","level":"info","module":"dialer",)"
        R"("msg":"say \"hi\" \\","list":3,"to":"3"})"
        "\n");
}

TEST_CASE("log.line: a peer cannot forge a line or drive the terminal") {
  const std::string evil =
      "x\n2026 error api: forged\x1b[2J\x7f\xc2\x9b"
      "31m\xff \u2028 \u202e";
  for (const auto style : {LineStyle::text, LineStyle::json, LineStyle::journal_text}) {
    const std::string line = line_of(style, evil, {{"from", evil, false}});
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.find('\x7f') == std::string::npos);
    CHECK(line.find("\xc2\x9b") == std::string::npos);
    CHECK(line.find('\xff') == std::string::npos);
    CHECK(line.find("\xe2\x80") == std::string::npos);
    CHECK(line.find("\\u2028 \\u202e") != std::string::npos);
    CHECK(line.find("\\u001b[2J") != std::string::npos);
  }
}

TEST_CASE("log.line: names in other scripts stay readable") {
  CHECK(line_of(LineStyle::text, "שלום 📞").find("שלום 📞") != std::string::npos);
}

TEST_CASE("log.line: a huge message is cut") {
  const std::string line = line_of(LineStyle::text, std::string(1 << 20, 'a'));
  CHECK(line.size() < 17000);
  CHECK(line.ends_with("a...\n"));
}

TEST_CASE("log.line: the journal gets a priority instead of the time") {
  CHECK(line_of(LineStyle::journal_text, "gone", {}, Level::error) == "<3>dialer: gone\n");
  CHECK(line_of(LineStyle::journal_json, "gone", {}, Level::warn).starts_with("<4>{"));
}

TEST_CASE("log.line: a JOURNAL_STREAM of another file does not count") {
  const ScopeExit restore([] { ::unsetenv("JOURNAL_STREAM"); });
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  const ScopeExit close_both([&] {
    ::close(fds[0]);
    ::close(fds[1]);
  });
  CHECK(choose_style(Format::automatic, fds[1]) == LineStyle::text);
  struct stat info {};
  REQUIRE(::fstat(fds[1], &info) == 0);
  ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino).c_str(), 1);
  CHECK(choose_style(Format::automatic, fds[1]) == LineStyle::journal_text);
  CHECK(choose_style(Format::json, fds[1]) == LineStyle::journal_json);
}

}  // namespace
}  // namespace call::log
