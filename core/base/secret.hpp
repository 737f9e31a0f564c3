// A secret string: it has no formatter, so it cannot be logged by accident; reveal() is easy to grep for.
#pragma once

#include <string>
#include <utility>

namespace call {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace call
