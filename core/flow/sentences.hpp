// A prompt in sentences: the unit of the prompt cache, so that only the sentence with the callee's
// name is computed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace call::flow {

/// Split behind ".", "!" and "?" that a space follows. Pure; joined by spaces they are the trimmed
/// text again.
std::vector<std::string> sentences_of(std::string_view text);

}  // namespace call::flow
