#include "cmd/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cmd/text_width.hpp"
#include "core/base/strings.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr int kSchemaVersion = 1;
constexpr std::size_t kGap = 2;
constexpr std::size_t kCutMin = 8;
constexpr std::size_t kWrappedMin = 12;

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

/// Counts by name read better without braces.
std::string for_people(const json& value) {
  const bool counts =
      value.is_object() && !value.empty() &&
      std::all_of(value.begin(), value.end(), [](const json& one) { return one.is_number(); });
  if (!counts) return plain(value);
  std::vector<std::string> parts;
  for (const auto& [name, count] : value.items()) parts.push_back(name + " " + plain(count));
  return join(parts, ", ");
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

std::string trim_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

/// A table before it is drawn: which columns, how wide, and the text of every cell.
struct Layout {
  std::vector<Column> columns;
  std::vector<std::size_t> widths;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> dropped;  ///< titles of the columns for which there is no room
};

/// The narrowest that column `i` may become.
std::size_t least_width(const Layout& layout, std::size_t i) {
  const auto& column = layout.columns[i];
  if (column.fit == Fit::whole) return layout.widths[i];
  const auto least = column.fit == Fit::wrap ? kWrappedMin : kCutMin;
  return std::min(layout.widths[i], std::max(least, display_width(column.title)));
}

std::size_t gaps(const Layout& layout) {
  return layout.columns.empty() ? 0 : (layout.columns.size() - 1) * kGap;
}

std::size_t least_width(const Layout& layout) {
  std::size_t sum = gaps(layout);
  for (std::size_t i = 0; i < layout.columns.size(); ++i) sum += least_width(layout, i);
  return sum;
}

/// Leaves out columns, least important first, until the others have room.
void drop_columns(Layout& layout, std::size_t limit) {
  while (least_width(layout) > limit) {
    const auto rank = [](const Column& c) { return c.drop == 0 ? INT_MAX : c.drop; };
    const auto least = std::ranges::min_element(layout.columns, {}, rank);
    if (least == layout.columns.end() || least->drop == 0) return;
    const auto i = least - layout.columns.begin();
    layout.dropped.push_back(least->title);
    layout.columns.erase(least);
    layout.widths.erase(layout.widths.begin() + i);
    for (auto& row : layout.rows) row.erase(row.begin() + i);
  }
}

/// Makes cut and wrapped columns narrower, the widest first, until the table fits.
void shrink_columns(Layout& layout, std::size_t limit) {
  auto& widths = layout.widths;
  auto total = std::accumulate(widths.begin(), widths.end(), gaps(layout));
  for (; total > limit; --total) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool may = widths[i] > least_width(layout, i);
      if (may && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == widths.size()) return;
    --widths[widest];
  }
}

Layout layout_of(const std::vector<Column>& columns, const json& rows, const Screen& screen) {
  Layout layout;
  for (const auto& column : columns) {
    if (column.title.empty()) continue;
    layout.columns.push_back(column);
    layout.widths.push_back(display_width(column.title));
  }
  for (const auto& row : rows) {
    auto& cells = layout.rows.emplace_back();
    for (std::size_t i = 0; i < layout.columns.size(); ++i) {
      cells.push_back(printable(plain(field(row, layout.columns[i].key))));
      layout.widths[i] = std::max(layout.widths[i], display_width(cells.back()));
    }
  }
  if (screen.terminal) {
    drop_columns(layout, screen.columns);
    shrink_columns(layout, screen.columns);
  }
  return layout;
}

/// One row, which takes several lines when a cell is wrapped.
std::string draw_row(const Layout& layout, const std::vector<std::string>& cells) {
  std::vector<std::vector<std::string>> lines_of_cell;
  std::size_t lines = 1;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto width = layout.widths[i];
    lines_of_cell.push_back(layout.columns[i].fit == Fit::wrap ? wrap(cells[i], width)
                                                               : std::vector{fit(cells[i], width)});
    lines = std::max(lines, lines_of_cell.back().size());
  }
  std::string text;
  for (std::size_t n = 0; n < lines; ++n) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      const auto& cell = lines_of_cell[i];
      line += pad(n < cell.size() ? cell[n] : "", layout.widths[i], layout.columns[i].align);
    }
    text += trim_end(std::move(line));
  }
  return text;
}

std::string render_table(const std::vector<Column>& columns, const json& rows,
                         const Screen& screen) {
  const auto layout = layout_of(columns, rows, screen);
  std::vector<std::string> titles;
  for (const auto& column : layout.columns) titles.push_back(column.title);
  std::string text = draw_row(layout, titles);
  if (screen.colour) text = "\x1b[1m" + text.substr(0, text.size() - 1) + "\x1b[0m\n";
  for (const auto& row : layout.rows) text += draw_row(layout, row);
  if (!layout.dropped.empty()) {
    const auto note = "(no room for " + join(layout.dropped, ", ") + ")";
    for (const auto& line : wrap(note, screen.columns))
      text += (screen.colour ? "\x1b[2m" + line + "\x1b[0m" : line) + "\n";
  }
  return text;
}

/// Whether a spreadsheet may take the text for a formula: by its first letter, also in its full-width form.
bool begins_formula(std::string_view text) {
  for (const std::string_view full_width : {"\uff1d", "\uff0b", "\uff0d", "\uff20"}) {
    if (text.starts_with(full_width)) return true;
  }
  return !text.empty() && std::string_view("=+-@\t\r\n").find(text[0]) != std::string_view::npos;
}

/// RFC 4180. A cell that a spreadsheet would run as a formula gets a leading apostrophe; a phone number stays itself.
std::string csv_cell(std::string text) {
  // A sign and then only digits, with one point at most: a telephone number or a number.
  const bool number = text.size() > 1 &&
                      text.find_first_not_of(".0123456789", 1) == std::string::npos &&
                      (text[0] == '+' || text[0] == '-') && std::ranges::count(text, '.') <= 1;
  if (begins_formula(text) && !number) text.insert(0, "'");
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return "\"" + replace_all(std::move(text), "\"", "\"\"") + "\"";
}

/// A file gets the texts as they are; on a terminal they must not be able to drive it.
std::string render_csv(const std::vector<Column>& columns, const json& rows, const Screen& screen) {
  std::string text;
  std::vector<std::string> cells;
  const auto add = [&](const std::string& cell) {
    cells.push_back(csv_cell(screen.terminal ? printable(cell) : cell));
  };
  const auto end_line = [&] {
    text += join(cells, ",") + "\r\n";
    cells.clear();
  };
  for (const auto& column : columns) add(column.key);
  end_line();
  for (const auto& row : rows) {
    for (const auto& column : columns) add(plain(field(row, column.key)));
    end_line();
  }
  return text;
}

/// A value of a view; later lines of a text stand below its first one.
std::string view_value(const json& value, std::size_t indent) {
  std::string text;
  const auto shown = for_people(value);
  for (const auto line : split(trim(shown), '\n')) {
    if (!text.empty()) text += "\n" + std::string(indent, ' ');
    text += isolated(printable(line));
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

std::string json_text(const json& value, int indent) {
  return visible_controls(value.dump(indent, ' ', false, json::error_handler_t::replace)) + "\n";
}

std::vector<Column> columns_of(const json& object) {
  std::vector<Column> columns;
  for (const auto& item : object.items()) columns.push_back({item.key(), item.key()});
  return columns;
}

std::string render(const std::vector<Column>& columns, const json& rows, Format format,
                   const Screen& screen, std::optional<bool> truncated) {
  switch (format) {
    case Format::table:
      return render_table(columns, rows, screen);
    case Format::json: {
      json document = {{"version", kSchemaVersion}, {"items", rows}};
      if (truncated) document["truncated"] = *truncated;
      return json_text(document, 2);
    }
    case Format::csv:
      return render_csv(columns, rows, screen);
    case Format::ndjson:
      break;
  }
  std::string text;
  for (const auto& row : rows) text += json_text(row);
  return text;
}

std::string render_one(const std::vector<Column>& columns, const json& object, Format format,
                       const Screen& screen) {
  if (format == Format::csv) return render_csv(columns, json::array({object}), screen);
  if (format != Format::table) {
    json document = object;
    document["version"] = kSchemaVersion;
    return json_text(document, format == Format::json ? 2 : -1);
  }
  std::size_t width = 0;
  for (const auto& column : columns) width = std::max(width, display_width(column.title));
  std::string text;
  for (const auto& column : columns) {
    const auto value = view_value(field(object, column.key), width + kGap);
    if (column.title.empty() || value.empty()) continue;
    const auto title = pad(column.title, width + kGap, Align::left);
    text += (screen.colour ? "\x1b[1m" + title + "\x1b[0m" : title) + value + "\n";
  }
  return text;
}

std::string render_next(const std::vector<Column>& columns, const json& object, Format format,
                        const Screen& screen, bool first) {
  auto text = render_one(columns, object, format == Format::json ? Format::ndjson : format, screen);
  if (format == Format::csv && !first) text.erase(0, text.find('\n') + 1);
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
