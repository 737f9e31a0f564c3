// What callctl prints. One description of the columns serves the table for people and json, ndjson and csv for
// scripts. Results go to standard output, messages to standard error.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace call::cmd {

enum class Format { table, json, ndjson, csv };
std::optional<Format> parse_format(std::string_view name);

enum class Align { left, right };

/// What a column does when the terminal is too narrow.
enum class Fit {
  whole,  ///< stays as wide as its widest cell
  cut,    ///< its cells are cut, marked with "…"
  wrap,   ///< its cells go on in the next line: sentences
};

struct Column {
  std::string key;    ///< field of the JSON row, and the CSV header
  std::string title;  ///< table header; empty: not in the table, only for scripts
  Align align = Align::left;
  Fit fit = Fit::whole;
  int drop = 0;  ///< order in which narrow terminals lose columns, 1 first; 0: never
};

struct Screen {
  bool terminal = false;      ///< standard output is a terminal
  bool colour = false;        ///< and colours are wanted (NO_COLOR, TERM=dumb, --no-color)
  bool paged = false;         ///< a long text goes through a pager
  std::size_t columns = 120;  ///< width of the terminal; a table off a terminal is never cut
  std::size_t rows = 40;      ///< its height
};
/// Looks at standard output and the environment.
Screen detect_screen(bool no_colour);

/// A list of JSON objects as a table, one JSON document {"version":1,"items":[...]}, a line each, or RFC 4180 CSV.
/// `truncated`, whether there are more than these, is a field of the document.
std::string render(const std::vector<Column>& columns, const nlohmann::json& rows, Format format,
                   const Screen& screen, std::optional<bool> truncated = {});

/// One object: "key  value" lines for people; for scripts a JSON document or a line, both with "version":1, or a CSV
/// of one row.
std::string render_one(const std::vector<Column>& columns, const nlohmann::json& object,
                       Format format, const Screen& screen);

/// One object of a stream: a line of JSON with either JSON format; CSV has its header at the `first` only.
std::string render_next(const std::vector<Column>& columns, const nlohmann::json& object,
                        Format format, const Screen& screen, bool first);

/// JSON in which no character can drive a terminal: those that JSON itself lets through are escaped.
std::string json_text(const nlohmann::json& value, int indent = -1);

/// Columns for all fields of an object, each titled by its key.
std::vector<Column> columns_of(const nlohmann::json& object);

/// Writes to standard output; Errc::io when it cannot (full disk, closed pipe).
Status print(std::string_view text);

}  // namespace call::cmd
