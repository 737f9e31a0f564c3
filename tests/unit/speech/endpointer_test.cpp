#include "core/speech/endpointer.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

using namespace call::speech;
using namespace std::chrono_literals;

namespace {

using Edges = std::vector<SpeechEdge>;

void feed(Endpointer& endpointer, float probability, std::chrono::milliseconds span, Edges& out) {
  for (auto t = 0ms; t < span; t += 20ms) {
    if (const auto edge = endpointer.push(probability)) out.push_back(*edge);
  }
}

}  // namespace

TEST_CASE("speech.endpointer: an utterance has the true edges, reported late") {
  Endpointer endpointer;
  Edges edges;
  feed(endpointer, 0.0F, 400ms, edges);
  feed(endpointer, 0.9F, 60ms, edges);
  REQUIRE(edges.size() == 1);
  CHECK(edges[0].kind == SpeechEdge::Kind::started);
  CHECK(edges[0].at == 400ms);
  feed(endpointer, 0.9F, 540ms, edges);
  feed(endpointer, 0.0F, 480ms, edges);
  CHECK(edges.size() == 1);
  CHECK(endpointer.silence() == 480ms);
  feed(endpointer, 0.0F, 20ms, edges);
  REQUIRE(edges.size() == 2);
  CHECK(edges[1].kind == SpeechEdge::Kind::ended);
  CHECK(edges[1].at == 1000ms);
  CHECK_FALSE(endpointer.in_speech());
}

TEST_CASE("speech.endpointer: a click is no speech, a short answer is") {
  Endpointer endpointer;
  Edges edges;
  feed(endpointer, 0.9F, 40ms, edges);
  feed(endpointer, 0.0F, 1000ms, edges);
  CHECK(edges.empty());
  feed(endpointer, 0.9F, 120ms, edges);
  feed(endpointer, 0.0F, 1000ms, edges);
  REQUIRE(edges.size() == 2);
  CHECK(edges[1].at - edges[0].at == 120ms);
}

TEST_CASE("speech.endpointer: a short gap does not part a word's beginning from the word") {
  Endpointer endpointer;
  Edges edges;
  feed(endpointer, 0.9F, 40ms, edges);
  feed(endpointer, 0.0F, 60ms, edges);
  feed(endpointer, 0.9F, 40ms, edges);
  REQUIRE(edges.size() == 1);
  CHECK(edges[0].at == 0ms);
}

TEST_CASE("speech.endpointer: between the thresholds speech goes on but does not begin") {
  Endpointer endpointer;
  Edges edges;
  feed(endpointer, 0.4F, 1000ms, edges);
  CHECK(edges.empty());
  feed(endpointer, 0.6F, 100ms, edges);
  feed(endpointer, 0.4F, 2000ms, edges);
  REQUIRE(edges.size() == 1);
  feed(endpointer, 0.3F, 500ms, edges);
  REQUIRE(edges.size() == 2);
  CHECK(edges[1].at == 3100ms);
}

TEST_CASE("speech.endpointer: endless speech is cut, and says so") {
  EndpointerOptions options;
  options.max_utterance = 3000ms;
  Endpointer endpointer(options);
  Edges edges;
  feed(endpointer, 1.0F, 7000ms, edges);
  REQUIRE(edges.size() >= 4);
  CHECK(edges[1].too_long);
  CHECK(edges[1].at == 3000ms);
  CHECK(edges[2].kind == SpeechEdge::Kind::started);
}

TEST_CASE("speech.endpointer: force_end ends an open utterance once") {
  Endpointer endpointer;
  Edges edges;
  CHECK_FALSE(endpointer.force_end());
  feed(endpointer, 1.0F, 200ms, edges);
  const auto edge = endpointer.force_end();
  REQUIRE(edge);
  CHECK(edge->at == 200ms);
  CHECK_FALSE(endpointer.force_end());
}

TEST_CASE("speech.endpointer: edges alternate and never go back, whatever comes in") {
  std::mt19937 random(42);
  Endpointer endpointer;
  std::vector<SpeechEdge> edges;
  for (int i = 0; i < 200000; ++i) {
    const bool talkative = (i / 100) % 2 == 0;
    const float p = static_cast<float>(random() % 1000) / 1000.0F;
    if (const auto edge = endpointer.push(talkative ? p : p * 0.3F)) edges.push_back(*edge);
  }
  REQUIRE(edges.size() > 100);
  for (std::size_t i = 1; i < edges.size(); ++i) {
    if (edges[i].kind == edges[i - 1].kind) FAIL("two of a kind at " << i);
    if (edges[i].at < edges[i - 1].at) FAIL("time went back at " << i);
  }
}
