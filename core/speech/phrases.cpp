#include "core/speech/phrases.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <random>
#include <utility>

#include "core/base/strings.hpp"

namespace call::speech {
namespace {

constexpr std::size_t kMaxTemplates = 500;
constexpr std::size_t kMaxTemplateBytes = 400;
constexpr int kMaxNesting = 8;
constexpr int kMaxSlotDepth = 4;
constexpr int kMaxDigits = 12;

constexpr std::array<std::string_view, 10> kDigitNames{"zero", "one", "two",   "three", "four",
                                                       "five", "six", "seven", "eight", "nine"};

using Templates = std::vector<std::string>;

const std::map<std::string, Templates>& built_in_slots() {
  static const std::map<std::string, Templates> slots{
      {"digit", {"[zero|oh|one|two|three|four|five|six|seven|eight|nine]"}},
      {"digits", {"[zero|oh|one|two|three|four|five|six|seven|eight|nine]"}},
      {"number", {"[zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve]"}},
      {"weekday", {"[monday|tuesday|wednesday|thursday|friday|saturday|sunday]"}}};
  return slots;
}

/// Recursive descent over one template.
class Parser {
 public:
  Parser(const PhraseBook& book, std::string_view text, int slot_depth)
      : book_(book), text_(text), slot_depth_(slot_depth) {}

  Result<PhraseNode> run() {
    if (text_.size() > kMaxTemplateBytes) return fault("longer than 400 bytes");
    CALL_TRY(PhraseNode node, sequence(0));
    if (at_ < text_.size()) return fault("a closing bracket or '|' too many");
    return node;
  }

 private:
  Error fault(std::string_view what) const {
    return {Errc::invalid_argument, "template \"" + std::string(truncate_utf8(text_, 80)) +
                                        "\", column " + std::to_string(at_ + 1) + ": " +
                                        std::string(what)};
  }

  Result<PhraseNode> sequence(int nesting) {
    PhraseNode node;
    while (at_ < text_.size() && text_[at_] != ']' && text_[at_] != '|') {
      if (text_[at_] == '[') {
        CALL_TRY(PhraseNode child, choice(nesting + 1));
        node.children.push_back(std::move(child));
      } else if (text_[at_] == '<') {
        CALL_TRY(PhraseNode child, slot());
        node.children.push_back(std::move(child));
      } else {
        CALL_CHECK(words(node));
      }
    }
    return node;
  }

  Result<PhraseNode> choice(int nesting) {
    if (nesting > kMaxNesting) return fault("brackets nest too deeply");
    PhraseNode node;
    node.kind = PhraseNode::Kind::choice;
    do {
      ++at_;  // the '[' or a '|'
      CALL_TRY(PhraseNode child, sequence(nesting));
      node.children.push_back(std::move(child));
    } while (at_ < text_.size() && text_[at_] == '|');
    if (at_ == text_.size()) return fault("']' is missing");
    ++at_;
    return node;
  }

  Result<PhraseNode> slot() {
    const std::size_t end = text_.find('>', at_);
    if (end == std::string_view::npos) return fault("'>' is missing");
    PhraseNode node;
    node.kind = PhraseNode::Kind::slot;
    node.text = std::string(text_.substr(at_ + 1, end - at_ - 1));
    auto found = book_.slots.find(node.text);
    if (found == book_.slots.end()) {
      found = built_in_slots().find(node.text);
      if (found == built_in_slots().end()) return fault("there is no slot <" + node.text + ">");
      if (node.text == "digits") node.max = kMaxDigits;
    }
    if (slot_depth_ == kMaxSlotDepth) return fault("slots within slots more than 4 deep");
    for (const auto& phrase : found->second) {
      auto child = Parser(book_, phrase, slot_depth_ + 1).run();
      if (!child) return std::move(child).with_context("slot <" + node.text + ">");
      node.children.push_back(*std::move(child));
    }
    if (node.children.empty()) return fault("slot <" + node.text + "> has no phrases");
    at_ = end + 1;
    return node;
  }

  Status words(PhraseNode& into) {
    const std::size_t end = std::min(text_.find_first_of("[]|<", at_), text_.size());
    for (std::size_t i = at_; i < end; ++i) {
      if (static_cast<unsigned char>(text_[i]) >= 0x80 || text_[i] == '>') {
        at_ = i;
        return fault("only ASCII letters, digits, apostrophes and .,!?- may stand here");
      }
    }
    for (auto& word : normalise_words(text_.substr(at_, end - at_))) {
      into.children.push_back({PhraseNode::Kind::word, std::move(word), {}});
    }
    at_ = end;
    return {};
  }

  const PhraseBook& book_;
  std::string_view text_;
  int slot_depth_;
  std::size_t at_ = 0;
};

bool can_say_something(const PhraseNode& node) {
  if (node.kind == PhraseNode::Kind::word) return true;
  return std::any_of(node.children.begin(), node.children.end(), can_say_something);
}

/// Picks one of `n` ways; the two ways of making sentences differ in this only.
using Choose = std::function<std::size_t(std::size_t n)>;

void expand(const PhraseNode& node, const Choose& choose, std::vector<std::string>& out) {
  switch (node.kind) {
    case PhraseNode::Kind::word:
      out.push_back(node.text);
      return;
    case PhraseNode::Kind::sequence:
      for (const auto& child : node.children) expand(child, choose, out);
      return;
    case PhraseNode::Kind::choice:
      expand(node.children[choose(node.children.size())], choose, out);
      return;
    case PhraseNode::Kind::slot: {
      const auto spread = static_cast<std::size_t>(node.max - node.min + 1);
      const std::size_t times = static_cast<std::size_t>(node.min) + choose(spread);
      for (std::size_t i = 0; i < times; ++i) {
        expand(node.children[choose(node.children.size())], choose, out);
      }
      return;
    }
  }
}

using Sentences = std::vector<std::vector<std::string>>;

/// All sentences of a template, or nothing if there are more than `limit`. The decisions of one
/// pass through the tree are the digits of an odometer: the next pass repeats all but the last that
/// can still go up.
Sentences enumerate(const PhraseNode& root, std::size_t limit) {
  struct Digit {
    std::size_t value;
    std::size_t base;
  };
  std::vector<Digit> odometer;
  Sentences out;
  do {
    std::size_t used = 0;
    std::vector<std::string> words;
    expand(
        root,
        [&](std::size_t n) {
          if (used == odometer.size()) odometer.push_back({0, n});
          return odometer[used++].value;
        },
        words);
    out.push_back(std::move(words));
    if (out.size() > limit) return {};
    while (!odometer.empty() && odometer.back().value + 1 == odometer.back().base)
      odometer.pop_back();
    if (!odometer.empty()) ++odometer.back().value;
  } while (!odometer.empty());
  return out;
}

}  // namespace

Result<std::vector<PhraseTree>> parse(const PhraseBook& book) {
  std::vector<PhraseTree> trees;
  for (const auto& intent : book.intents) {
    const std::string where = "intent \"" + intent.name + "\"";
    for (const auto& text : intent.templates) {
      if (trees.size() == kMaxTemplates)
        return Error{Errc::limit, "more than 500 phrase templates"};
      auto root = Parser(book, text, 0).run();
      if (!root) return std::move(root).error().with_context(where);
      if (!can_say_something(*root)) {
        return Error{Errc::invalid_argument, where + ": template \"" + text + "\" has no words"};
      }
      trees.push_back({intent.name, *std::move(root)});
    }
  }
  if (trees.empty())
    return Error{Errc::invalid_argument, "a phrase book needs at least one template"};
  return trees;
}

std::vector<std::vector<std::string>> sample_sentences(const std::vector<PhraseTree>& trees,
                                                       std::size_t per_template,
                                                       std::uint32_t seed) {
  std::mt19937 random(seed);
  Sentences out;
  const auto add = [&out](const std::vector<std::string>& words) {
    if (!words.empty()) out.push_back(words);
  };
  for (const auto& tree : trees) {
    const Sentences all = enumerate(tree.root, per_template);
    for (std::size_t i = 0; i < per_template; ++i) {
      if (!all.empty()) {
        add(all[i % all.size()]);
        continue;
      }
      std::vector<std::string> words;
      expand(
          tree.root, [&random](std::size_t n) { return random() % n; }, words);
      add(words);
    }
  }
  return out;
}

std::vector<std::string> normalise_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto flush = [&] {
    // An apostrophe belongs to a word only between letters: "i'm", but not 'yes'.
    while (!word.empty() && word.back() == '\'') word.pop_back();
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (const char c : text) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower >= 'a' && lower <= 'z') {
      word.push_back(lower);
    } else if (lower == '\'') {
      if (!word.empty()) word.push_back(lower);
    } else {
      flush();
      if (lower >= '0' && lower <= '9') {
        words.emplace_back(kDigitNames[static_cast<std::size_t>(lower - '0')]);
      }
    }
  }
  flush();
  return words;
}

}  // namespace call::speech
