// What is read back from disks: recordings, call records, tapes, policies, the system's time zones.
#include "core/audio/wav.hpp"
#include "core/base/assert.hpp"
#include "core/policy/hours.hpp"
#include "core/policy/policy.hpp"
#include "core/policy/zone.hpp"
#include "core/record/call_record.hpp"
#include "core/record/tape.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

std::string tape_seed() {
  return std::string(record::kTapeMagic) +
         record::tape_chunk(record::Track::session, "\x01\x02hello") +
         record::tape_chunk(record::Track::handler, "\x03");
}

/// A time zone as zic writes it: the data of version 1, of version 2, and the rule of the years to come.
std::string zone_seed() {
  using namespace std::string_literals;
  const auto part = "TZif2"s + std::string(15, '\0') + std::string(16, '\0') + "\0\0\0\1\0\0\0\4"s +
                    std::string(6, '\0') + "UTC\0"s;
  return part + part + "\nCET-1CEST,M3.5.0,M10.5.0/3\n";
}

}  // namespace

std::vector<std::string> seeds() {
  audio::WavFormat stereo;
  stereo.channels = 2;
  return {
      audio::encode_wav(audio::WavFormat(), audio::Pcm(40, 100)),
      audio::encode_wav(stereo, audio::Pcm(40, -100)),
      record::to_json_text(record::CallRecord()),
      tape_seed(),
      R"({"name":"x","windows":[{"days":["mon","tue"],"from":"08:00","to":"21:00"}]})",
      "08:00-21:00",
      "CET-1CEST,M3.5.0,M10.5.0/3",
      zone_seed(),
  };
}

void feed(std::string_view input) {
  if (const auto wav = audio::parse_wav(input))
    CALL_ASSERT(wav->format.channels == 1 || wav->format.channels == 2);
  if (const auto call = record::from_json_text(input))
    CALL_ASSERT(record::from_json_text(record::to_json_text(*call)).ok());
  if (const auto tracks = record::read_tape(input)) {
    for (const auto& [track, bytes] : *tracks) {
      record::TapeReader reader(bytes);
      while (reader.next()) continue;
    }
  }
  static_cast<void>(policy::parse_policy(input));
  static_cast<void>(policy::policy_from_toml(input, "input"));
  static_cast<void>(policy::parse_span(input));
  static_cast<void>(policy::parse_posix_rule(input));
  static_cast<void>(policy::Zone::parse(input, "input"));
}

}  // namespace call::fuzz
