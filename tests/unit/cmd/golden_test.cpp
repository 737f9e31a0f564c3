// Every table and view of callctl as it looks in a narrow and in a wide terminal, with names from right to left, wide
// letters, and letters that would drive the terminal. The rows are tests/data/golden/rows.json, which
// tests/integration/schemas.py holds to docs/schemas; the pictures lie beside it.
//
// After a change that is meant:  CALL_UPDATE_GOLDEN=1 cmd_test "cmd.golden*", then look at git diff.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cmd/tables.hpp"
#include "cmd/text_width.hpp"
#include "core/base/files.hpp"
#include "core/base/strings.hpp"

using namespace call::cmd;
using nlohmann::json;

namespace {

constexpr std::size_t kNarrow = 60;
constexpr std::size_t kWide = 160;

const std::filesystem::path kFolder = std::filesystem::path(CALL_SOURCE_DIR) / "tests/data/golden";

json sample_rows() {
  const auto text = call::read_file(kFolder / "rows.json", 1U << 20);
  REQUIRE(text);
  return json::parse(*text);
}

std::string drawn(const Table& table, const json& rows, std::size_t columns) {
  Screen screen;
  screen.terminal = true;
  screen.columns = columns;
  return table.view ? render_one(table.columns, rows, Format::table, screen)
                    : render(table.columns, rows, Format::table, screen);
}

std::filesystem::path picture(const Table& table, std::size_t columns) {
  const auto name = call::replace_all(std::string(table.name), " ", "-");
  return kFolder / (name + "." + std::to_string(columns) + ".txt");
}

std::string expected(const std::filesystem::path& path, const std::string& now) {
  if (std::getenv("CALL_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << now;
  const auto text = call::read_file(path, 1U << 20);
  return text ? *text : "(there is no such file)";
}

}  // namespace

TEST_CASE("cmd.golden: every table and view looks as it did, narrow and wide") {
  const auto samples = sample_rows();
  for (const auto& table : tables()) {
    INFO(table.name);
    const auto rows = samples.find(std::string(table.name));
    REQUIRE(rows != samples.end());
    for (const auto columns : {kNarrow, kWide}) {
      const auto now = drawn(table, *rows, columns);
      CHECK(now == expected(picture(table, columns), now));
    }
  }
}

TEST_CASE("cmd.golden: a table fits its terminal, and no cell can drive it") {
  const auto samples = sample_rows();
  for (const auto& table : tables()) {
    for (std::size_t columns = kNarrow; columns <= kWide; columns += 20) {
      const auto text = drawn(table, samples.at(std::string(table.name)), columns);
      for (const auto line : call::split(text, '\n')) {
        INFO(table.name << " in " << columns << ": " << line);
        CHECK((table.view || display_width(line) <= columns));
        CHECK(line.find('\x1b') == std::string_view::npos);
        CHECK(line.find("\xc2\x9b") == std::string_view::npos);
        CHECK(line.find("\u202e") == std::string_view::npos);
      }
    }
  }
}

TEST_CASE("cmd.golden: in every format, what would drive the terminal is visible") {
  const std::string name = "a\x1b]0;owned\x07\u009b2J\u202eb";
  const std::vector<Column> columns = {{"name", "NAME"}};
  const json rows = json::array({{{"name", name}}});
  Screen screen;
  screen.terminal = true;
  for (const auto format : {Format::table, Format::json, Format::ndjson, Format::csv}) {
    for (const auto& text :
         {render(columns, rows, format, screen), render_one(columns, rows[0], format, screen)}) {
      for (const char* control : {"\x1b", "\x07", "\u009b", "\u202e"})
        CHECK(text.find(control) == std::string::npos);
    }
  }
  // The same text, for a program that reads it.
  CHECK(json::parse(render_one(columns, rows[0], Format::json, screen))["name"] == name);
  CHECK(render(columns, rows, Format::csv, {}).find(name) != std::string::npos);
}
