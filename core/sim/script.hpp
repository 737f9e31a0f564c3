// Who answers which number and how: the callers' script, a TOML file. Pure.
//
//   [defaults]                        # of every caller, also of numbers that no [[caller]] names
//   ring_s = 1.5                      # before the telephone is picked up
//   voice = "rms"                     # rms | slt | awb | kal16
//
//   [[caller]]
//   number = "+12025550101"
//   label = "Ada"                     # for logs and reports
//   lines = ["Yes.", { press = "1" }, { say = "Wait!", interrupt_after_ms = 700 },
//            { hang_up = true }]
//
// The tables [carrier] and [[fault]] of the same file are read by faults.hpp.
//
// A line is said when the agent has spoken and then been silent for reply_after_ms. With
// interrupt_after_ms it comes so long after the agent began to speak, whether it has finished or
// not.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/result.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::sim {

enum class Pickup {
  answer,
  voicemail,  ///< answers with `greeting`, a beep, then silence
  busy,
  no_answer,  ///< rings until the caller gives up
  failed,     ///< cannot be reached
};
std::string_view to_string(Pickup pickup);

/// One thing that a caller does; exactly one of say, press and hang_up.
struct Line {
  std::string say;
  std::string press;  ///< DTMF digits
  bool hang_up = false;
  std::optional<std::chrono::milliseconds> interrupt_after;
  std::optional<std::chrono::milliseconds> cut_after;  ///< hangs up so long into its own words
};

struct CallerScript {
  std::string label;
  Pickup pickup = Pickup::answer;
  std::chrono::milliseconds ring{1500};
  std::chrono::milliseconds hang_up_after{120000};  ///< after the answer, whatever happens
  std::chrono::milliseconds patience{20000};        ///< hangs up when nothing was heard for so long
  std::chrono::milliseconds reply_after{600};
  std::string greeting;  ///< said at once on answering
  bool beep = true;      ///< behind a voicemail's greeting
  speech::VoiceStyle voice{speech::Voice::rms, 1.0, 0.0};
  std::optional<double> noise_dbov;  ///< background noise of the line, -90 to -20
  std::vector<Line> lines;
};

class Script {
 public:
  /// Errc::invalid_argument names file and caller or key. An empty text gives callers that pick up
  /// and say nothing.
  static Result<Script> parse(std::string_view toml, std::string_view name);
  const CallerScript& for_number(std::string_view number) const;
  /// At most `count` of the callers that pick up, for preparing their voices.
  std::vector<CallerScript> first_callers(std::size_t count) const;
  std::size_t callers() const { return callers_.size(); }

 private:
  CallerScript defaults_;
  std::unordered_map<std::string, CallerScript> callers_;
};

}  // namespace call::sim
