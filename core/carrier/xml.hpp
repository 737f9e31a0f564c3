// The little XML that TwiML needs: elements, attributes, text. Internal to core/carrier. No DTD, no
// CDATA, no processing instructions, no entities beyond the five and numeric references, hence
// nothing to expand or include.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace call::carrier::xml {

constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxElements = 500;
constexpr std::size_t kMaxAttributes = 32;  ///< of one element

struct Element {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<Element> children;
  std::string text;  ///< of the element itself, children's not included, as written
};

/// A whole document. It must start with '<': Twilio refuses leading white space.
Result<Element> parse(std::string_view document);

void append_escaped(std::string& out, std::string_view text);  ///< for text and attribute values
void append_attribute(std::string& out, std::string_view name, std::string_view value);

}  // namespace call::carrier::xml
