// Sentences out of a text that comes bit by bit, so that the voice can begin with the first while the
// model still writes the second. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace call::flow {

class SentenceStream {
 public:
  /// A piece without any stop is cut at a comma or a space before it gets longer.
  static constexpr std::size_t kLongest = 240;

  /// The sentences that `text` completes. Markdown that a voice would read aloud is taken out; white
  /// space is single.
  std::vector<std::string> push(std::string_view text);
  /// What is left, perhaps empty.
  std::string finish();

 private:
  bool ends_here(std::size_t at) const;
  std::string take(std::size_t end);

  std::string pending_;
};

}  // namespace call::flow
