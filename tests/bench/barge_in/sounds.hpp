// What is heard while an agent speaks: people who interrupt it, and everything else.
#pragma once

#include <string>
#include <vector>

#include "core/audio/format.hpp"

namespace call::bench {

struct Sound {
  audio::Pcm pcm;
  /// Where speech is active by ITU-T P.56: within 15.9 dB of its own level. A soft "s" that begins
  /// a word lies before it.
  std::size_t onset = 0;
};

/// Sounds of one kind, each once.
struct Sounds {
  std::string kind;
  std::vector<Sound> all;
};

/// Every voice says every interruption, without silence around it.
std::vector<Sound> interruptions();
/// "Mhm" and the like: voice, but no wish to speak.
Sounds back_channels();
/// Made by formula, after what they sound like: coughs and throats cleared (noise through the
/// mouth's resonances), breath, clicks of keys, a door, hold music, keys of the telephone,
/// ring-back.
std::vector<Sounds> noises();
/// The agent's own voice coming back, so many decibels quieter.
Sounds echoes(double loss_db);

}  // namespace call::bench
