#include <catch2/catch.hpp>

#include "core/speech/synthesizer.hpp"

using namespace call::speech;

TEST_CASE("speech.speakable: plain English passes unchanged") {
  const auto result = speakable("Hello, Anna. It's 5 o'clock; do you have $10 (or 20%)?");
  CHECK(result.text == "Hello, Anna. It's 5 o'clock; do you have $10 (or 20%)?");
  CHECK(result.complete());
}

TEST_CASE("speech.speakable: accents and typography are folded") {
  const auto result = speakable("“José” Müller’s café — naïve…");
  CHECK(result.text == "\"Jose\" Muller's cafe, naive...");
  CHECK(result.complete());
}

TEST_CASE("speech.speakable: what flite cannot say is taken out, told, and leaves no scar") {
  const auto name = speakable("Hello דנה לוי, this is a survey.");
  CHECK(name.text == "Hello, this is a survey.");
  CHECK(name.dropped == "דנה לוי");
  const auto emoji = speakable("Well done 🎉! Bye 👋🏽");
  CHECK(emoji.text == "Well done! Bye");
  CHECK_FALSE(emoji.complete());
  CHECK(speakable("Is that ... ok , then ?").text == "Is that... ok, then?");
}

TEST_CASE("speech.speakable: a text without a word is empty") {
  CHECK(speakable("").text.empty());
  CHECK(speakable("שלום!").text.empty());
  CHECK(speakable(" ... ").text.empty());
  CHECK(speakable("\xff\xfe").text.empty());
}

TEST_CASE("speech.speakable: control characters become space") {
  CHECK(speakable("one\ntwo\tthree\x01 four").text == "one two three four");
}
