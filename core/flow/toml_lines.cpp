#include "core/flow/toml_lines.hpp"

#include "core/base/strings.hpp"

namespace call::flow {
namespace {

std::string_view header_of(std::string_view line) {
  if (line.size() < 2 || line.front() != '[') return {};
  const auto close = line.find(']');
  return close == std::string_view::npos ? std::string_view() : trim(line.substr(1, close - 1));
}

std::string_view key_of(std::string_view line) {
  const auto equals = line.find('=');
  return equals == std::string_view::npos ? std::string_view() : trim(line.substr(0, equals));
}

/// How well a line's table and key stand for the path: 0 not at all, 2 exactly; 1 is a table or key
/// that contains it.
int match(std::string_view path, std::string_view table, std::string_view key) {
  const auto under = [](std::string_view whole, std::string_view part) {
    return whole == part || (whole.starts_with(part) && whole[part.size()] == '.');
  };
  if (!table.empty()) {
    if (!under(path, table)) return 0;
    if (path == table) return key.empty() ? 2 : 0;
    path.remove_prefix(table.size() + 1);
  }
  if (key.empty()) return table.empty() ? 0 : 1;
  return path == key ? 2 : under(path, key) ? 2 : 0;
}

}  // namespace

int line_of(std::string_view toml, std::string_view path) {
  std::string_view table;
  int number = 0;
  int best_line = 1;
  std::size_t best_table = 0;
  for (const auto raw : split(toml, '\n')) {
    ++number;
    const auto line = trim(raw);
    const auto header = header_of(line);
    if (!header.empty()) table = header;
    const int found = match(path, table, header.empty() ? key_of(line) : std::string_view());
    if (found == 2) return number;
    if (found == 1 && !header.empty() && table.size() > best_table) {
      best_table = table.size();
      best_line = number;
    }
  }
  return best_line;
}

}  // namespace call::flow
