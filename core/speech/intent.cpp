// Each template is compiled into a small automaton over words; a sentence is matched against it
// with edits: a word said too much, a word left out, a word instead of another. Costs are weighted,
// so that "um" or "please" hardly count and a word that only one intent uses counts most. The
// cheapest template wins. Chosen over a statistical classifier because it rejects (a classifier
// answers anything with confidence), needs no training, and its verdict can be explained to the
// author of an agent.
#include "core/speech/intent.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <utility>

namespace call::speech {
namespace {

constexpr std::size_t kMaxSentence = 40;  // words; the rest is ignored
constexpr double kFillerWeight = 0.15;
constexpr double kUnknownWeight = 1.0;  // of a word that no template has
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kNone = -1;

constexpr auto kFillers =
    std::to_array<std::string_view>({"a", "ah", "and", "er", "hey", "just", "like", "oh", "please",
                                     "so", "the", "then", "uh", "um", "well"});

bool is_filler(std::string_view word) {
  return std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
}

/// A move between states; without a word it is free.
struct Edge {
  int to = 0;
  std::string word;
  int slot = kNone;  ///< index in Automaton::slots of the slot that the word fills
};

struct Automaton {
  std::string intent;
  std::vector<std::vector<Edge>> edges;  ///< by state; 0 is the start, the last one the end
  std::vector<std::string> slots;

  int add_state() {
    edges.emplace_back();
    return static_cast<int>(edges.size()) - 1;
  }
  void connect(int from, Edge edge) {
    edges[static_cast<std::size_t>(from)].push_back(std::move(edge));
  }

  /// Adds the node behind state `from` and returns the state after it. States only ever lead to
  /// later ones.
  int add(const PhraseNode& node, int from, int slot) {
    switch (node.kind) {
      case PhraseNode::Kind::word: {
        const int to = add_state();
        connect(from, {to, node.text, slot});
        return to;
      }
      case PhraseNode::Kind::sequence:
        for (const auto& child : node.children) from = add(child, from, slot);
        return from;
      case PhraseNode::Kind::choice:
        return add_choice(node.children, from, slot);
      case PhraseNode::Kind::slot: {
        const int inside = slot == kNone ? slot_index(node.text) : slot;
        std::vector<int> ways_out;
        for (int i = 0; i < node.max; ++i) {
          from = add_choice(node.children, from, inside);
          if (i + 1 >= node.min) ways_out.push_back(from);
        }
        return join(ways_out);
      }
    }
    return from;
  }

 private:
  int add_choice(const std::vector<PhraseNode>& children, int from, int slot) {
    std::vector<int> ends;
    for (const auto& child : children) ends.push_back(add(child, from, slot));
    return join(ends);
  }

  int join(const std::vector<int>& states) {
    const int to = add_state();
    for (const int state : states) connect(state, {to, {}, kNone});
    return to;
  }

  int slot_index(const std::string& name) {
    const auto it = std::find(slots.begin(), slots.end(), name);
    if (it != slots.end()) return static_cast<int>(it - slots.begin());
    slots.push_back(name);
    return static_cast<int>(slots.size()) - 1;
  }
};

/// How one cell of the table was reached: from which state with which count of words, and what it
/// said of the word.
struct Step {
  double cost = kInfinity;
  double weight = 0;  ///< of the template's words on the way
  int state = kNone;
  int word = kNone;
  int slot = kNone;
};

}  // namespace

struct IntentMatcher::Impl {
  IntentOptions options;
  std::vector<Automaton> automata;
  std::map<std::string, double, std::less<>> weights;

  double weight_of(std::string_view word) const {
    if (is_filler(word)) return kFillerWeight;
    const auto it = weights.find(word);
    return it == weights.end() ? kUnknownWeight : it->second;
  }

  std::optional<IntentMatch> match_one(const Automaton& automaton,
                                       const std::vector<std::string>& words) const;
};

namespace {

/// Cheapest way to read the sentence along an automaton. Both states and words only go forward, so
/// the table is filled in one sweep.
template <class Weight>
std::vector<std::vector<Step>> align(const Automaton& automaton,
                                     const std::vector<std::string>& words,
                                     const Weight& weight_of) {
  const std::size_t n = words.size();
  std::vector<std::vector<Step>> table(automaton.edges.size(), std::vector<Step>(n + 1));
  const auto improve = [&table](std::size_t state, std::size_t word, const Step& step) {
    Step& cell = table[state][word];
    const bool better =
        step.cost < cell.cost || (step.cost == cell.cost && step.weight > cell.weight);
    if (better) cell = step;
  };
  table[0][0].cost = 0;
  for (std::size_t s = 0; s < table.size(); ++s) {
    for (std::size_t w = 0; w <= n; ++w) {
      const Step here = table[s][w];
      if (here.cost == kInfinity) continue;
      const int state = static_cast<int>(s);
      const int word = static_cast<int>(w);
      const auto reach = [&](int to, std::size_t to_word, double cost, double weight, int slot) {
        improve(static_cast<std::size_t>(to), to_word,
                {here.cost + cost, here.weight + weight, state, word, slot});
      };
      const double said = w < n ? weight_of(words[w]) : 0;
      if (w < n) reach(state, w + 1, said, 0, kNone);  // a word too much
      for (const Edge& edge : automaton.edges[s]) {
        if (edge.word.empty()) {
          reach(edge.to, w, 0, 0, kNone);
          continue;
        }
        const double wanted = weight_of(edge.word);
        if (w < n && words[w] == edge.word) {
          reach(edge.to, w + 1, 0, wanted, edge.slot);
        } else if (w < n) {
          reach(edge.to, w + 1, said + wanted, wanted, kNone);  // another word
        }
        reach(edge.to, w, wanted, wanted, kNone);  // left out
      }
    }
  }
  return table;
}

std::map<std::string, std::string> slots_on_path(const Automaton& automaton,
                                                 const std::vector<std::vector<Step>>& table,
                                                 const std::vector<std::string>& words) {
  std::map<std::string, std::string> slots;
  std::size_t state = table.size() - 1;
  std::size_t word = words.size();
  while (table[state][word].state != kNone) {
    const Step& step = table[state][word];
    const auto from_word = static_cast<std::size_t>(step.word);
    if (step.slot != kNone) {
      std::string& value = slots[automaton.slots[static_cast<std::size_t>(step.slot)]];
      value = value.empty() ? words[from_word] : words[from_word] + ' ' + value;
    }
    state = static_cast<std::size_t>(step.state);
    word = from_word;
  }
  return slots;
}

}  // namespace

std::optional<IntentMatch> IntentMatcher::Impl::match_one(
    const Automaton& automaton, const std::vector<std::string>& words) const {
  const auto table = align(automaton, words, [this](std::string_view w) { return weight_of(w); });
  const Step& end = table.back().back();
  double said = 0;
  for (const auto& word : words) said += weight_of(word);
  const double all = said + end.weight;
  if (end.cost == kInfinity || all <= 0) return std::nullopt;
  return IntentMatch{automaton.intent, 1 - end.cost / all, slots_on_path(automaton, table, words)};
}

IntentMatcher::IntentMatcher(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
IntentMatcher::IntentMatcher(IntentMatcher&&) noexcept = default;
IntentMatcher& IntentMatcher::operator=(IntentMatcher&&) noexcept = default;
IntentMatcher::~IntentMatcher() = default;

Result<IntentMatcher> IntentMatcher::create(const PhraseBook& book, const IntentOptions& options) {
  CALL_TRY(const auto trees, parse(book));
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  std::map<std::string, std::set<std::string>> users;  // word -> intents
  std::set<std::string> intents;
  for (const auto& tree : trees) {
    Automaton automaton;
    automaton.intent = tree.intent;
    const int end = automaton.add(tree.root, automaton.add_state(), kNone);
    automaton.connect(end, {automaton.add_state(), {}, kNone});
    for (const auto& state : automaton.edges) {
      for (const Edge& edge : state) {
        if (!edge.word.empty()) users[edge.word].insert(tree.intent);
      }
    }
    intents.insert(tree.intent);
    impl->automata.push_back(std::move(automaton));
  }
  // 1 for a word of one intent, down to 0.3 for a word that all use.
  const double most = std::log(1.0 + static_cast<double>(intents.size()));
  for (const auto& [word, by] : users) {
    const double rarity = 1 - std::log(static_cast<double>(by.size())) / most;
    impl->weights[word] = std::max(0.3, rarity);
  }
  return IntentMatcher(std::move(impl));
}

std::optional<IntentMatch> IntentMatcher::match(std::string_view text,
                                                const std::vector<std::string>& among) const {
  auto words = normalise_words(text);
  if (words.empty()) return std::nullopt;
  if (words.size() > kMaxSentence) words.resize(kMaxSentence);
  std::map<std::string, IntentMatch> best;  // by intent
  for (const auto& automaton : impl_->automata) {
    const bool asked =
        among.empty() || std::find(among.begin(), among.end(), automaton.intent) != among.end();
    if (!asked) continue;
    auto match = impl_->match_one(automaton, words);
    if (!match) continue;
    auto& kept = best[automaton.intent];
    if (match->score > kept.score) kept = *std::move(match);
  }
  const IntentMatch* first = nullptr;
  double second = 0;
  for (const auto& [intent, match] : best) {
    if (first == nullptr || match.score > first->score) {
      second = first == nullptr ? 0 : first->score;
      first = &match;
    } else {
      second = std::max(second, match.score);
    }
  }
  if (first == nullptr || first->score < impl_->options.least_score) return std::nullopt;
  if (first->score - second < impl_->options.least_lead) return std::nullopt;
  return *first;
}

}  // namespace call::speech
