#include "core/flow/sentence_stream.hpp"

#include <catch2/catch.hpp>

using namespace call::flow;

namespace {

std::vector<std::string> split(const std::string& text, std::size_t step) {
  SentenceStream stream;
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size(); at += step) {
    for (auto& sentence : stream.push(text.substr(at, step))) all.push_back(std::move(sentence));
  }
  if (auto rest = stream.finish(); !rest.empty()) all.push_back(std::move(rest));
  return all;
}

}  // namespace

TEST_CASE("flow.sentence_stream: the same sentences however the text arrives") {
  const std::string text =
      "Hello, Mr. Smith! That costs 3.50 dollars, e.g. for two.  Is this\nright? \"Yes.\" Then "
      "**good** bye";
  const std::vector<std::string> expected = {
      "Hello, Mr. Smith!", "That costs 3.50 dollars, e.g. for two.",
      "Is this",           "right?",
      "\"Yes.\"",          "Then good bye"};
  for (std::size_t step = 1; step <= text.size(); ++step) CHECK(split(text, step) == expected);
}

TEST_CASE("flow.sentence_stream: other scripts and lists") {
  CHECK(split("你好。你好吗？", 1) == std::vector<std::string>{"你好。", "你好吗？"});
  CHECK(split("שלום. מה שלומך?", 3) == std::vector<std::string>{"שלום.", "מה שלומך?"});
  CHECK(split("1. Tea\n2. Coffee\n", 5) == std::vector<std::string>{"1. Tea", "2. Coffee"});
}

TEST_CASE("flow.sentence_stream: a text without a stop is cut, and nothing of it is lost") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "word" + std::to_string(i) + " ";
  std::string joined;
  for (const auto& piece : split(text, 11)) {
    CHECK(piece.size() <= SentenceStream::kLongest + 1);
    joined += piece + " ";
  }
  CHECK(joined == text);
  for (const auto& piece : split(std::string(2000, 'x'), 100)) CHECK(piece.size() == 2000);
}
