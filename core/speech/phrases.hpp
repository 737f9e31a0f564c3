// What a caller may say to an agent, as templates: the same book makes the recogniser's language
// model and labels intents, so the two cannot drift apart.
//
//   Syntax of a template    [a|b c|]   one of the alternatives, an empty one is allowed; they nest
//                           <name>     a slot: one of the phrases (templates too) of that name,
//                           remembered by the
//                                      intent matcher; from PhraseBook::slots or built in:
//                                      <digit> <digits> (1 to 12 of them) <number> (zero to twelve)
//                                      <weekday>
//   Words are lower-case English; "i'm", "o'clock" are words. Upper case is folded, .,!? are
//   dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace call::speech {

struct Intent {
  std::string name;  ///< e.g. "yes"; need not be unique: equal names are merged
  std::vector<std::string> templates;
};

struct PhraseBook {
  std::vector<Intent> intents;
  std::map<std::string, std::vector<std::string>>
      slots;  ///< name -> templates; may use other slots, not itself
};

/// A parsed template: the tree of alternatives, slots resolved.
struct PhraseNode {
  enum class Kind {
    word,      ///< `text`
    sequence,  ///< all `children` in order
    choice,    ///< one of `children`
    slot,      ///< `text` is its name; one of `children`, `min`..`max` times
  };
  Kind kind = Kind::sequence;
  std::string text;
  std::vector<PhraseNode> children;
  int min = 1;
  int max = 1;
};

struct PhraseTree {
  std::string intent;
  PhraseNode root;
};

/// Parses the whole book. Errc::invalid_argument names the intent, the template and the column.
/// Limits: 500 templates, 400 bytes each, nesting 8, slots within slots 4.
Result<std::vector<PhraseTree>> parse(const PhraseBook& book);

/// At most `per_template` sentences of each template: all of them if there are no more (repeated to
/// the same weight), else a random sample, equal for equal seeds. Each is a list of words, never
/// empty.
std::vector<std::vector<std::string>> sample_sentences(const std::vector<PhraseTree>& trees,
                                                       std::size_t per_template = 200,
                                                       std::uint32_t seed = 1);

/// Text as the recogniser and the matcher see it: lower case, digits spelled one by one,
/// punctuation gone.
std::vector<std::string> normalise_words(std::string_view text);

}  // namespace call::speech
