// Several keys of the telephone as one answer: a customer number, a date. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/record/call_record.hpp"

namespace call::flow {

/// What the record keeps of keys that the callee has pressed.
record::Turn turn_of_keys(std::string keys, std::int64_t at_ms);

class KeyCollector {
 public:
  /// `least` to `most` figures make an answer.
  KeyCollector(int least, int most) : least_(least), most_(most) {}

  /// What a key, or the silence behind the last one, makes of those pressed so far.
  enum class Outcome {
    more,       ///< nothing yet
    complete,   ///< take() is the answer: # was pressed, or there is no room for more
    too_short,  ///< ended with # or by silence, and forgotten
    skipped     ///< # alone: the callee has no answer
  };
  Outcome press(char key);  ///< 0-9, # ends, * begins anew; others count for nothing
  Outcome pause();
  std::string take();
  bool empty() const { return keys_.empty(); }

 private:
  Outcome end();

  int least_;
  int most_;
  std::string keys_;
};

}  // namespace call::flow
