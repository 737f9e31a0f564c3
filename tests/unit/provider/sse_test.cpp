#include "core/provider/sse.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace call;
using call::provider::SseParser;

namespace {

std::vector<std::string> parse(const std::string& text, std::size_t step) {
  SseParser parser;
  std::vector<std::string> events;
  for (std::size_t at = 0; at < text.size(); at += step) {
    REQUIRE(parser.feed(std::string_view(text).substr(at, step),
                        [&](std::string_view data) { events.emplace_back(data); }));
  }
  return events;
}

}  // namespace

TEST_CASE("provider.sse: events come out the same however the bytes are split") {
  const std::string text =
      "\xEF\xBB\xBF"
      "data: one\n\n"
      ": a comment\r\n\r\n"
      "event: message\r\nid: 7\r\ndata:two\r\ndata: lines\r\n\r\n"
      "data: three\r\rdata\n\n"
      "retry: 10\n\n"
      "data: {\"a\": \"\xC3\xA4\"}\n\n"
      "data: never ended";
  const std::vector<std::string> expected = {"one", "two\nlines", "three", "",
                                             "{\"a\": \"\xC3\xA4\"}"};
  for (std::size_t step = 1; step <= text.size(); ++step) CHECK(parse(text, step) == expected);
}

TEST_CASE("provider.sse: an event without an end is refused, not collected") {
  SseParser parser;
  const std::string piece(64U << 10, 'x');
  Status fed;
  std::size_t pieces = 0;
  for (; fed && pieces < 100; ++pieces) fed = parser.feed(piece, [](std::string_view) {});
  REQUIRE_FALSE(fed);
  CHECK(fed.error().code == Errc::limit);
  CHECK(pieces <= SseParser::kMaxEvent / piece.size() + 1);
}
