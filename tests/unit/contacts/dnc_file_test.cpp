#include "core/contacts/dnc_file.hpp"

#include <catch2/catch.hpp>

#include "core/base/strings.hpp"
#include "core/contacts/phone.hpp"

using namespace call;
using contacts::read_dnc_file;

namespace {

std::string rules(std::string_view text, std::string_view region = "") {
  const auto file = read_dnc_file(text, region);
  CHECK(file.mistakes.size() == file.invalid);
  return join(file.patterns, " ") + (file.invalid == 0 ? "" : " / " + join(file.mistakes, " "));
}

}  // namespace

TEST_CASE("contacts.dnc: a rule is a number, or the beginning of some") {
  CHECK(contacts::is_dnc_pattern("+14155550123"));
  CHECK(contacts::is_dnc_pattern("+1900*"));
  CHECK(contacts::is_dnc_pattern("+1*"));
  for (const auto* text : {"", "*", "+*", "+0*", "+19a*", "+1900**", "1900*", "+123456",
                           "14155550123", "+1234567890123456", "+1234567890123456*"})
    CHECK_FALSE(contacts::is_dnc_pattern(text));
  CHECK(contacts::to_dnc_pattern("(415) 555-2671", "US") == "+14155552671");
  CHECK(contacts::to_dnc_pattern("+1900*", "") == "+1900*");
  CHECK(contacts::to_dnc_pattern("+15005550006", "") == "+15005550006");  // given out to nobody
  CHECK_FALSE(contacts::to_dnc_pattern("(415) 555-2671", ""));
}

TEST_CASE("contacts.dnc: one rule a line, whatever the file is dressed up as") {
  CHECK(rules("+14155552671\n+1900*\n+442079460958") == "+14155552671 +1900* +442079460958");
  CHECK(rules("+14155552671\r\n\r\n  +1900*  # premium\r\n# nothing\r\n") == "+14155552671 +1900*");
  CHECK(rules("number,added\n\"+14155552671\",2026-01-02\n+1900*;x\n+442079460958\ty\n") ==
        "+14155552671 +1900* +442079460958");
  CHECK(rules("415 555 2671\n(415) 555-2671\n+14155552671\n", "US") == "+14155552671");
  CHECK(rules("").empty());
  CHECK(rules("number\n").empty());
}

TEST_CASE("contacts.dnc: a heading may have a byte order mark, or a comment, before it") {
  CHECK(rules("\xef\xbb\xbf+1900*\n") == "+1900*");
  CHECK(rules("\xef\xbb\xbfphone\n+1900*\n") == "+1900*");
  CHECK(rules("# made on Monday\n\nphone\n+1900*\n") == "+1900*");
}

TEST_CASE("contacts.dnc: what is no rule is named with its line") {
  CHECK(rules("phone\n12\n+1900*\nphone\n") == "+1900* / line 2: '12' line 4: 'phone'");
  CHECK(rules("<html>\n<p>503</p>\n") == " / line 2: '<p>503</p>'");
  CHECK(rules("4155552671\n") == " / line 1: '4155552671'");
  const std::string utf16("+\0001\0009\0000\0000\0*\0\n\0", 14);
  CHECK(read_dnc_file(utf16, "US").patterns.empty());
}

TEST_CASE("contacts.dnc: a file without end costs no more words than one can read") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(1000, '7') + "\n";
  const auto file = read_dnc_file(text, "US");
  CHECK(file.invalid == 1000);
  REQUIRE(file.mistakes.size() == contacts::DncFile::kMistakesKept);
  CHECK(file.mistakes.front().size() < 100);
}
