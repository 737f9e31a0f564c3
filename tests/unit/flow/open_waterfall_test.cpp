#include "core/flow/open_waterfall.hpp"

#include <catch2/catch.hpp>

using call::flow::OpenWaterfall;
using call::record::Waterfall;
namespace media = call::media;

TEST_CASE("flow.open_waterfall: the first of each point counts, until the answer is heard") {
  std::vector<Waterfall> all;
  OpenWaterfall waterfall(all);
  waterfall.mark(&Waterfall::reply_ready_ms, 5);  // a greeting: nobody waited for it
  CHECK(all.empty());

  waterfall.begin(3, {.start_ms = 100, .speech_end_ms = 900, .endpoint_ms = 1400});
  waterfall.mark(&Waterfall::reply_ready_ms, 1500);
  waterfall.mark(&Waterfall::reply_ready_ms, 1700);
  waterfall.on(media::FirstAudioSent{7, 1600});
  waterfall.on(media::Heard{.generation = 7, .heard_ms = 200, .at_ms = 1900});
  waterfall.on(media::Heard{.generation = 7, .heard_ms = 800, .at_ms = 2600});
  waterfall.mark(&Waterfall::first_token_ms, 2700);

  REQUIRE(all.size() == 1);
  CHECK(all[0].turn == 3);
  CHECK(all[0].speech_end_ms == 900);
  CHECK(all[0].endpoint_ms == 1400);
  CHECK(all[0].reply_ready_ms == 1500);
  CHECK(all[0].first_audio_sent_ms == 1600);
  CHECK(all[0].first_heard_ms == 1700);
  CHECK_FALSE(all[0].first_token_ms);
}

TEST_CASE("flow.open_waterfall: what is given up stays without its end") {
  std::vector<Waterfall> all;
  OpenWaterfall waterfall(all);
  waterfall.begin(0, {});
  waterfall.close();
  waterfall.on(media::FirstAudioSent{1, 10});
  waterfall.begin(2, {});
  waterfall.on(media::FirstAudioSent{2, 20});
  REQUIRE(all.size() == 2);
  CHECK_FALSE(all[0].first_audio_sent_ms);
  CHECK(all[1].first_audio_sent_ms == 20);
}
