#include "core/flow/keys.hpp"

#include <utility>

namespace call::flow {

record::Turn turn_of_keys(std::string keys, std::int64_t at_ms) {
  record::Turn turn;
  turn.who = record::Speaker::callee;
  turn.text = std::move(keys);
  turn.digits = true;
  turn.start_ms = turn.end_ms = at_ms;
  return turn;
}

KeyCollector::Outcome KeyCollector::end() {
  if (static_cast<int>(keys_.size()) >= least_) return Outcome::complete;
  keys_.clear();
  return Outcome::too_short;
}

KeyCollector::Outcome KeyCollector::press(char key) {
  if (key == '*') keys_.clear();
  if (key == '#') return keys_.empty() ? Outcome::skipped : end();
  if (key < '0' || key > '9') return Outcome::more;
  keys_ += key;
  return static_cast<int>(keys_.size()) >= most_ ? Outcome::complete : Outcome::more;
}

KeyCollector::Outcome KeyCollector::pause() {
  return keys_.empty() ? Outcome::more : end();
}

std::string KeyCollector::take() {
  return std::exchange(keys_, {});
}

}  // namespace call::flow
