#include "core/flow/news_text.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::flow;
using std::chrono::milliseconds;

namespace {

const std::vector<speech::EngineEvent> kAll = {
    speech::PartialText{3, "so far"},
    speech::FinalText{
        3, 2, "שלום \"x\"", 0.7312345678901234, {{"a", milliseconds(-1), milliseconds(9)}}},
    speech::ListeningFailed{4, 5, {Errc::closed, "gone"}},
    speech::ReplyText{5, std::string("\0\n", 2)},
    speech::ReplyDone{6, {{"c1", "book", R"({"day":1})"}, {"c2", "look", ""}}, true},
    speech::ReplyFailed{7, {Errc::timeout, ""}},
    speech::SpokenAudio{8, audio::Mulaw(1000, 0x20), {{5, 150}, {9, 300}}},
    speech::SpeakingDone{9},
    speech::SpeakingFailed{10, {Errc::limit, "x"}},
    speech::ToolResult{11, "c1", "{}", false},
};

}  // namespace

TEST_CASE("flow.news_text: all news come off the tape as they went onto it") {
  CHECK(kAll.size() == std::variant_size_v<speech::EngineEvent>);
  for (const auto& news : kAll) {
    const auto bytes = encode_news(news);
    const auto back = decode_news(bytes);
    REQUIRE(back);
    CHECK(back->index() == news.index());
    CHECK(encode_news(*back) == bytes);
    CHECK(describe(*back) == describe(news));
  }
  const auto words = std::get<speech::FinalText>(*decode_news(encode_news(kAll[1])));
  CHECK(words.confidence == 0.7312345678901234);
  CHECK(words.words.at(0).start == milliseconds(-1));
  const auto calls = std::get<speech::ReplyDone>(*decode_news(encode_news(kAll[4])));
  CHECK(calls.calls.at(0).arguments == R"({"day":1})");
  CHECK(calls.cut_short);
  CHECK(std::get<speech::SpokenAudio>(*decode_news(encode_news(kAll[6]))).marks.at(1).ms == 300);
}

TEST_CASE("flow.news_text: what is damaged is an error") {
  for (const auto& news : kAll) {
    const auto bytes = encode_news(news);
    for (std::size_t length = 0; length < std::min<std::size_t>(bytes.size(), 60); ++length) {
      const auto cut = decode_news(std::string_view(bytes).substr(0, length));
      REQUIRE_FALSE(cut);
      CHECK(cut.error().code == Errc::protocol);
    }
    CHECK_FALSE(decode_news(bytes + "x"));
    auto changed = bytes;
    for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 60); ++at) {
      changed[at] = static_cast<char>(changed[at] ^ 0x55);
      static_cast<void>(decode_news(changed));  // something, or an error
      changed[at] = bytes[at];
    }
  }
  CHECK_FALSE(decode_news("\x7f"));
}
