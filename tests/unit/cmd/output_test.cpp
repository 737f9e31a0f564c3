#include "cmd/output.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cmd/text_width.hpp"

using namespace call::cmd;
using nlohmann::json;

namespace {

const std::vector<Column> kColumns = {{"line", "LINE", Align::right},
                                      {"name", "NAME", Align::left, Fit::cut},
                                      {"outcome", "OUTCOME"},
                                      {"sid", ""}};

const json kRows =
    json::array({{{"line", 2}, {"name", "Ada Lovelace"}, {"outcome", "completed"}, {"sid", "CA1"}},
                 {{"line", 13}, {"name", "דנה"}, {"outcome", nullptr}, {"sid", nullptr}},
                 {{"line", 14}, {"name", "Zoë 🙂"}, {"outcome", "busy"}, {"sid", "CA3"}}});

Screen terminal(std::size_t columns) {
  Screen screen;
  screen.terminal = true;
  screen.columns = columns;
  return screen;
}

}  // namespace

TEST_CASE("cmd.output: a table lines its columns up by what the terminal shows, not by bytes") {
  CHECK(render(kColumns, kRows, Format::table, {}) ==
        "LINE  NAME          OUTCOME\n"
        "   2  Ada Lovelace  completed\n"
        "  13  \u2068דנה\u2069\n"
        "  14  Zoë 🙂        busy\n");
}

TEST_CASE("cmd.output: a narrow terminal cuts the flexible column, a pipe cuts nothing") {
  CHECK(render(kColumns, kRows, Format::table, terminal(25)) ==
        "LINE  NAME      OUTCOME\n"
        "   2  Ada Lov…  completed\n"
        "  13  \u2068דנה\u2069\n"
        "  14  Zoë 🙂    busy\n");
}

TEST_CASE("cmd.output: scripts get every column, versioned JSON, one object a line, or RFC 4180") {
  const auto document = json::parse(render(kColumns, kRows, Format::json, {}));
  CHECK(document["version"] == 1);
  CHECK(document["items"] == kRows);
  CHECK_FALSE(document.contains("truncated"));
  CHECK(json::parse(render(kColumns, kRows, Format::json, {}, true))["truncated"] == true);
  const auto lines = render(kColumns, kRows, Format::ndjson, {});
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 3);
  CHECK(render(kColumns, kRows, Format::csv, {}) ==
        "line,name,outcome,sid\r\n2,Ada Lovelace,completed,CA1\r\n13,דנה,,\r\n14,Zoë "
        "🙂,busy,CA3\r\n");
}

TEST_CASE("cmd.output: CSV quotes what it must and disarms formulas, but not telephone numbers") {
  const std::vector<Column> columns = {{"a", "A"}};
  const auto csv = [&](const char* text) {
    return render(columns, json::array({{{"a", text}}}), Format::csv, {});
  };
  CHECK(csv("x,\"y\"\nz") == "a\r\n\"x,\"\"y\"\"\nz\"\r\n");
  CHECK(csv("=HYPERLINK(1)") == "a\r\n'=HYPERLINK(1)\r\n");
  CHECK(csv("+14155550123") == "a\r\n+14155550123\r\n");
}

TEST_CASE("cmd.output: a name can neither move the cursor nor turn the line around") {
  CHECK(printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a");
  CHECK(printable("a\u202eb") == "a\\u202eb");
  CHECK(display_width("日本") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(fit("日本語", 5) == "日本…");
}
