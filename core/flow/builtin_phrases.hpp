// The phrases of the intents that every agent knows: "yes", "no" and "number". Every word is in the
// pronunciation dictionary of the embedded recogniser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace call::flow {

inline constexpr std::string_view kYes = "yes";
inline constexpr std::string_view kNo = "no";
inline constexpr std::string_view kNumber = "number";
/// Of keys, never of words.
inline constexpr std::string_view kDigits = "digits";
/// Of # alone; an agent that knows it has templates of its own for words.
inline constexpr std::string_view kSkip = "skip";

/// Templates of one of the three names above; empty for any other.
std::vector<std::string> builtin_phrases(std::string_view intent);

}  // namespace call::flow
