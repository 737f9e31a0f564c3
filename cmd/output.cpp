#include "cmd/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cmd/text_width.hpp"
#include "core/base/strings.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr int kSchemaVersion = 1;
constexpr std::size_t kGap = 2;
constexpr std::size_t kFlexibleMin = 8;

/// A value as a person or a CSV reader wants to see it.
std::string plain(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json field(const json& row, const std::string& key) {
  const auto found = row.find(key);
  return found == row.end() ? json() : *found;
}

std::string dump(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace) + "\n";
}

/// A right-to-left name inside isolates: it keeps its own direction and leaves the columns alone.
std::string isolated(const std::string& text) {
  return has_right_to_left(text) ? "\xe2\x81\xa8" + text + "\xe2\x81\xa9" : text;
}

std::string pad(const std::string& text, std::size_t width, Align align) {
  const auto used = display_width(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return align == Align::right ? space + isolated(text) : isolated(text) + space;
}

/// Takes the columns that may be cut down until the table fits; widest first.
void shrink(std::vector<std::size_t>& widths, const std::vector<Column>& columns,
            std::size_t limit) {
  const auto total = [&] {
    std::size_t sum = widths.empty() ? 0 : (widths.size() - 1) * kGap;
    for (const auto width : widths) sum += width;
    return sum;
  };
  while (total() > limit) {
    std::size_t widest = columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const bool may = columns[i].flexible && widths[i] > kFlexibleMin;
      if (may && (widest == columns.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == columns.size()) return;
    --widths[widest];
  }
}

std::string trim_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string render_table(const std::vector<Column>& all, const json& rows, const Screen& screen) {
  std::vector<Column> columns;
  std::ranges::copy_if(all, std::back_inserter(columns),
                       [](const Column& c) { return !c.title.empty(); });
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (const auto& column : columns) widths.push_back(display_width(column.title));
  for (const auto& row : rows) {
    auto& line = cells.emplace_back();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      line.push_back(printable(plain(field(row, columns[i].key))));
      widths[i] = std::max(widths[i], display_width(line.back()));
    }
  }
  if (screen.terminal) shrink(widths, columns, screen.columns);

  const auto line_of = [&](const std::vector<std::string>& texts) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      line += pad(fit(texts[i], widths[i]), widths[i], columns[i].align);
    }
    return trim_end(line);
  };
  std::vector<std::string> titles;
  for (const auto& column : columns) titles.push_back(column.title);
  std::string text = line_of(titles);
  if (screen.colour) text = "\x1b[1m" + text.substr(0, text.size() - 1) + "\x1b[0m\n";
  for (const auto& line : cells) text += line_of(line);
  return text;
}

/// RFC 4180. A cell that a spreadsheet would run as a formula gets a leading apostrophe; a phone number stays itself.
std::string csv_cell(std::string text) {
  const bool formula =
      !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos;
  // A sign and then only digits, with one point at most: a telephone number or a number.
  const bool number = text.size() > 1 &&
                      text.find_first_not_of(".0123456789", 1) == std::string::npos &&
                      (text[0] == '+' || text[0] == '-') && std::ranges::count(text, '.') <= 1;
  if (formula && !number) text.insert(0, "'");
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return "\"" + replace_all(std::move(text), "\"", "\"\"") + "\"";
}

std::string render_csv(const std::vector<Column>& columns, const json& rows) {
  std::vector<std::string> cells;
  for (const auto& column : columns) cells.push_back(csv_cell(column.key));
  std::string text = join(cells, ",") + "\r\n";
  for (const auto& row : rows) {
    cells.clear();
    for (const auto& column : columns) cells.push_back(csv_cell(plain(field(row, column.key))));
    text += join(cells, ",") + "\r\n";
  }
  return text;
}

}  // namespace

std::optional<Format> parse_format(std::string_view name) {
  if (name == "table") return Format::table;
  if (name == "json") return Format::json;
  if (name == "ndjson") return Format::ndjson;
  if (name == "csv") return Format::csv;
  return std::nullopt;
}

Screen detect_screen(bool no_colour) {
  Screen screen;
  screen.terminal = ::isatty(STDOUT_FILENO) != 0;
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && std::strcmp(term, "dumb") == 0;
  screen.colour = screen.terminal && !no_colour && !set("NO_COLOR") && !dumb;
  winsize size{};
  if (screen.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) {
    screen.columns = size.ws_col;
    if (size.ws_row > 1) screen.rows = size.ws_row;
  }
  return screen;
}

std::string render(const std::vector<Column>& columns, const json& rows, Format format,
                   const Screen& screen) {
  switch (format) {
    case Format::table:
      return render_table(columns, rows, screen);
    case Format::json:
      return dump({{"version", kSchemaVersion}, {"items", rows}}, 2);
    case Format::csv:
      return render_csv(columns, rows);
    case Format::ndjson:
      break;
  }
  std::string text;
  for (const auto& row : rows) text += dump(row);
  return text;
}

std::string render_one(const std::vector<Column>& columns, const json& object, Format format,
                       const Screen& screen) {
  if (format == Format::csv) return render_csv(columns, json::array({object}));
  if (format == Format::ndjson) return dump(object);
  if (format == Format::json) {
    json document = object;
    document["version"] = kSchemaVersion;
    return dump(document, 2);
  }
  std::size_t width = 0;
  for (const auto& column : columns) width = std::max(width, display_width(column.title));
  std::string text;
  for (const auto& column : columns) {
    const auto value = printable(plain(field(object, column.key)));
    if (column.title.empty() || value.empty()) continue;
    const auto title = pad(column.title, width + kGap, Align::left);
    text += (screen.colour ? "\x1b[1m" + title + "\x1b[0m" : title) + isolated(value) + "\n";
  }
  return text;
}

Status print(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return Error{Errc::io, std::string("cannot write the result: ") + std::strerror(errno)};
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace call::cmd
