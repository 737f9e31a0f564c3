#include "core/flow/builtin_phrases.hpp"

namespace call::flow {

std::vector<std::string> builtin_phrases(std::string_view intent) {
  if (intent == kYes) {
    return {
        "[yes|yeah|yep|sure|okay|certainly|absolutely|definitely] [please|sure|thanks|thank you|]",
        "yes [it is|i do|i would|i am|that is fine|that's fine|that is right|that's right|go "
        "ahead]",
        "yes [please do|please call me back|you can|you may|why not|of course]",
        "of course",
        "go ahead",
        "please do",
        "why not",
        "[that is|that's|it is] [fine|okay|right|correct|good|a good time]",
        "[all right|alright]",
    };
  }
  if (intent == kNo) {
    return {
        "[no|nope] [thanks|thank you|sorry|]",
        "no [it is not|it's not|i don't|i do not|i would not|not really|that is wrong|that's "
        "wrong]",
        "no [you don't have to|that's not necessary|that is not necessary|not now|not today]",
        "not [now|today|really|at the moment|at all|a good time]",
        "[i am|i'm] [busy|driving|in a meeting|not interested]",
        "[it is|it's] [not a good time|a bad time]",
        "[i don't|i do not] [have time|think so|want that|want to]",
    };
  }
  if (intent == kNumber) {
    return {
        "[a|] <number> [please|]",
        "[i would say|i'd say|i say|let's say|maybe|about|i think|probably] [a|] <number>",
        "<number> [points|stars|out of five|out of ten]",
        "[it was|it is|it's|that's|that is] a <number>",
        "number <number>",
    };
  }
  return {};
}

}  // namespace call::flow
