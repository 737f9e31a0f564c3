// Do-not-call lists: whatever a file says, what is read is what the store takes, and says the same again.
#include <algorithm>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/contacts/dnc_file.hpp"
#include "core/contacts/phone.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {

std::vector<std::string> seeds() {
  return {"+14155552671\n+1900*\r\n# comment\n\n(415) 555-2672\n",
          "\xef\xbb\xbfphone;added\n\"+442079460958\";2026-01-02\n0044 20 7946 0959\tx\n+1*,\n"};
}

void feed(std::string_view input) {
  for (const std::string_view region : {"", "US"}) {
    const auto file = contacts::read_dnc_file(input, region);
    CALL_ASSERT(std::ranges::all_of(file.patterns, contacts::is_dnc_pattern));
    CALL_ASSERT(file.mistakes.size() == std::min(file.invalid, contacts::DncFile::kMistakesKept));
    const auto again = contacts::read_dnc_file(join(file.patterns, "\n"), "");
    CALL_ASSERT(again.patterns == file.patterns && again.invalid == 0);
  }
}

}  // namespace call::fuzz
