#include "core/flow/render.hpp"

#include <fmt/format.h>

#include "core/base/strings.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::flow {
namespace {

constexpr std::size_t kMaxValue =
    60;  ///< bytes of a value that is spoken; longer ones are no names

bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
                              std::string_view::npos;
}

constexpr std::size_t kMaxReadValue = 1000;

/// The value in a form that the reader can take, or "".
std::string value_for(Reader reader, const Variables& variables, std::string_view name) {
  const auto at = variables.find(std::string(name));
  if (at == variables.end()) return {};
  if (reader == Reader::anyone)
    return to_valid_utf8(truncate_utf8(trim(at->second), kMaxReadValue));
  if (at->second.size() > kMaxValue) return {};
  auto spoken = speech::speakable(at->second);
  return spoken.complete() ? std::string(trim(spoken.text)) : std::string();
}

}  // namespace

Status check_template(std::string_view text) {
  const auto fault = [](std::string_view why) {
    return Error{Errc::invalid_argument, std::string(why)};
  };
  while (!text.empty()) {
    const auto brace = text.find_first_of("{}");
    if (brace == std::string_view::npos) return {};
    if (text[brace] == '}') return fault("\"}\" without \"{\"");
    const auto close = text.find_first_of("{}", brace + 1);
    if (close == std::string_view::npos || text[close] == '{') return fault("\"{\" without \"}\"");
    const auto inside = text.substr(brace + 1, close - brace - 1);
    const auto bar = inside.find('|');
    if (!is_name(inside.substr(0, bar)))
      return fault(fmt::format("\"{{{}}}\" is not a variable", inside));
    if (bar == std::string_view::npos) {
      return fault(fmt::format("say what to use without it: {{{}|...}}", inside));
    }
    text.remove_prefix(close + 1);
  }
  return {};
}

std::string render(std::string_view text, const Variables& variables, Reader reader) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) break;
    const auto inside = text.substr(open + 1, close - open - 1);
    const auto bar = inside.find('|');
    const auto value = value_for(reader, variables, inside.substr(0, bar));
    if (!value.empty()) {
      out += value;
    } else if (bar != std::string_view::npos) {
      out += inside.substr(bar + 1);
    }
    text.remove_prefix(close + 1);
  }
  return out;
}

Variables variables_of(const std::map<std::string, std::string>& parameters) {
  constexpr std::string_view kPrefix = "var.";
  Variables variables;
  if (const auto name = parameters.find("name"); name != parameters.end()) {
    variables["name"] = trim(name->second);
  }
  for (const auto& [key, value] : parameters) {
    if (key.starts_with(kPrefix)) variables[key.substr(kPrefix.size())] = trim(value);
  }
  const auto name = variables.find("name");
  if (name != variables.end() && !variables.contains("first_name")) {
    variables["first_name"] = split(name->second, ' ').front();
  }
  return variables;
}

}  // namespace call::flow
