// What callers say, synthesised off the loop and remembered: the same words in the same voice are
// computed once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/runtime/thread_pool.hpp"
#include "core/sim/caller.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::runtime {
class Loop;
}

namespace call::sim {

class Voices {
 public:
  explicit Voices(runtime::Loop& loop);

  /// Everything that the caller of this script will say. `ready` runs on the loop, never inline;
  /// sounds that could not be made are silent (and logged).
  void prepare(const CallerScript& script, std::function<void(CallerSounds)> ready);
  /// Computes ahead, so that the first call need not wait.
  void warm(const CallerScript& script);
  void stop() { pool_.join(); }

 private:
  Sound render(const speech::VoiceStyle& style, const std::string& text);
  CallerSounds render_all(const CallerScript& script);

  runtime::Loop& loop_;
  speech::PromptCache cache_;
  runtime::ThreadPool pool_;
};

/// Without the silence at both ends, but for 30 ms before the first sound and 60 ms behind the last.
/// Empty for silence. Pure.
audio::Pcm trim_silence(audio::PcmView pcm);

}  // namespace call::sim
