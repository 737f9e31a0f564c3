// A phrase book of the size and kind that a survey agent has, shared by the tests and the
// benchmark.
#pragma once

#include "core/speech/phrases.hpp"

namespace call::speech::testing {

inline PhraseBook survey_book() {
  PhraseBook book;
  book.slots["later"] = {"[later|tomorrow|another time|next week|on <weekday>]"};
  book.slots["rating"] = {"[one|two|three|four|five]"};
  book.intents = {
      {"yes",
       {"[yes|yeah|sure|okay|of course] [please|]", "[yes|yeah] [i do|i am|go ahead|that is right]",
        "that is [right|correct|fine]", "go ahead"}},
      {"no",
       {"[no|nope|no thanks|no thank you|not really|not now]", "no [i am not|i do not|i can not]"}},
      {"rating",
       {"<rating>", "[i would say|i would give it|maybe|about] [a|] <rating>",
        "[a|] <rating> [out of five|stars|points]"}},
      {"callback",
       {"[please|can you|could you|] call me [back|] [<later>|]",
        "[i am|i'm] [busy|driving|at work] [right now|]", "this is not a good time"}},
      {"repeat",
       {"[can|could] you [please|] [repeat|say] that [again|] [please|]", "[sorry|pardon]",
        "[sorry|] i did not [hear|understand] you"}},
      {"wrong_person", {"[you have the|] wrong number", "that is not me"}},
      {"stop",
       {"[please|] stop calling me", "[please|] do not call me again",
        "[please|] take me off your list"}},
      {"goodbye", {"[goodbye|bye|bye bye]", "[thank you|thanks] [goodbye|bye|]"}},
  };
  return book;
}

}  // namespace call::speech::testing
