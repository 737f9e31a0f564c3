#include "core/contacts/dnc_file.hpp"

#include <fmt/format.h>

#include <unordered_set>
#include <utility>

#include "core/base/strings.hpp"
#include "core/contacts/csv.hpp"
#include "core/contacts/phone.hpp"

namespace call::contacts {
namespace {

constexpr std::size_t kMistakeBytes = 80;

/// What a line says, without its comment and its other fields.
std::string_view first_field(std::string_view line) {
  line = trim(line.substr(0, line.find('#')));
  line = trim(line.substr(0, line.find_first_of(",;\t")));
  if (line.size() >= 2 && line.front() == '"' && line.back() == '"')
    line = trim(line.substr(1, line.size() - 2));
  return line;
}

bool has_digit(std::string_view text) {
  return text.find_first_of("0123456789") != std::string_view::npos;
}

}  // namespace

std::optional<std::string> to_dnc_pattern(std::string_view text, std::string_view region) {
  if (auto number = to_e164(text, region)) return number;
  if (is_dnc_pattern(text)) return std::string(text);
  return std::nullopt;
}

DncFile read_dnc_file(std::string_view text, std::string_view region) {
  DncFile file;
  std::unordered_set<std::string> seen;
  bool begun = false;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const auto end = text.find('\n');
    const auto field = first_field(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (field.empty()) continue;
    const bool heading = !std::exchange(begun, true) && !has_digit(field);
    if (heading) continue;
    if (auto pattern = to_dnc_pattern(field, region)) {
      if (seen.insert(*pattern).second) file.patterns.push_back(*std::move(pattern));
      continue;
    }
    if (++file.invalid > DncFile::kMistakesKept) continue;
    file.mistakes.push_back(
        fmt::format("line {}: '{}'", line_number, truncate_utf8(field, kMistakeBytes)));
  }
  return file;
}

}  // namespace call::contacts
