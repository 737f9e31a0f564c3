#include "core/flow/sentences.hpp"

#include "core/base/strings.hpp"

namespace call::flow {

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
    const bool last = i + 1 == text.size();
    if (!last && !(stop && text[i + 1] == ' ')) continue;
    const auto sentence = trim(text.substr(begin, i + 1 - begin));
    if (!sentence.empty()) sentences.emplace_back(sentence);
    begin = i + 1;
  }
  return sentences;
}

}  // namespace call::flow
