#include "core/contacts/csv.hpp"

#include <catch2/catch.hpp>

using namespace call;
using contacts::CsvParser;
using contacts::CsvRecord;

namespace {

struct Parsed {
  std::vector<CsvRecord> records;
  std::string error;
};

Parsed parse(std::string_view text, std::size_t chunk) {
  Parsed parsed;
  CsvParser parser([&](CsvRecord&& record) -> Status {
    parsed.records.push_back(std::move(record));
    return {};
  });
  Status status;
  for (std::size_t at = 0; at < text.size() && status; at += chunk)
    status = parser.feed(text.substr(at, chunk));
  if (status) status = parser.finish();
  if (!status) parsed.error = status.error().context;
  return parsed;
}

}  // namespace

TEST_CASE("contacts.csv: quotes, commas, line breaks and CRLF, whatever the pieces") {
  const std::string text =
      "\xef\xbb\xbfphone,name\r\n"
      "1,\"Levi, \"\"Dana\"\"\"\r\n"
      "\r\n"
      "2,\"two\nlines\"\n"
      "3,";
  for (std::size_t chunk = 1; chunk <= text.size(); ++chunk) {
    CAPTURE(chunk);
    const auto parsed = parse(text, chunk);
    REQUIRE(parsed.error.empty());
    REQUIRE(parsed.records.size() == 4);
    CHECK(parsed.records[0].fields == std::vector<std::string>{"phone", "name"});
    CHECK(parsed.records[1].fields[1] == "Levi, \"Dana\"");
    CHECK(parsed.records[2].fields[1] == "two\nlines");
    CHECK(parsed.records[2].line == 4);
    CHECK(parsed.records[3].line == 6);
    CHECK(parsed.records[3].fields == std::vector<std::string>{"3", ""});
  }
}

TEST_CASE("contacts.csv: a 5 MB line is an error that names the line") {
  const auto parsed = parse("phone\n1\n\"" + std::string(5'000'000, 'x'), 65536);
  CHECK(parsed.records.size() == 2);
  CHECK(parsed.error ==
        "line 3: the record is longer than 1048576 bytes; is a quotation mark open?");
}

TEST_CASE("contacts.csv: a wrong encoding is an error that names the line") {
  const auto parsed = parse("phone,name\n1,Jos\xe9\n", 7);
  CHECK(parsed.error.find("line 2, field 2: the text is not UTF-8") == 0);
  // "phone" as UTF-16: every second byte is a NUL.
  const auto wide = parse(std::string_view("p\0h\0o\0n\0e\0\n\0", 12), 5);
  CHECK(wide.error.find("line 1, field 1: the text is not UTF-8") == 0);
}

TEST_CASE("contacts.csv: an open quotation mark and a stray one are errors") {
  CHECK(parse("phone\n\"1\n2\n", 3).error == "line 2: a quotation mark is never closed");
  CHECK(parse("phone\n\"1\"2\n", 3).error ==
        "line 2: a quotation mark inside a quoted field must be doubled");
}
