#include "core/contacts/contacts.hpp"

#include <catch2/catch.hpp>
#include <chrono>

#include "core/contacts/phone.hpp"

using namespace call;
using contacts::Contact;

namespace {

struct Read {
  std::vector<Contact> contacts;
  std::string error;
};

Read read(std::string_view text, std::string region = "") {
  Read result;
  contacts::Reader reader(std::move(region), [&](Contact&& contact) -> Status {
    result.contacts.push_back(std::move(contact));
    return {};
  });
  auto status = reader.feed(text);
  if (status) status = reader.finish();
  if (!status) result.error = status.error().context;
  return result;
}

}  // namespace

TEST_CASE("contacts: numbers become E.164, other columns become variables") {
  const auto result = read("Phone,name,City\n+1 (415) 555-0123,דנה כהן 🙂,Haifa\n");
  REQUIRE(result.contacts.size() == 1);
  const auto& contact = result.contacts[0];
  CHECK(contact.phone == "+14155550123");
  CHECK(contact.name == "דנה כהן 🙂");
  CHECK(contact.variables.at("city") == "Haifa");
  CHECK(contact.refused.empty());
  CHECK(contact.line == 2);
}

TEST_CASE("contacts: invalid and duplicate numbers are refused by line with the reason") {
  const auto result = read("phone\n+14155550123\n+1999\n(415) 555-0123\n\"\"\n", "US");
  REQUIRE(result.contacts.size() == 4);
  CHECK(result.contacts[0].refused.empty());
  CHECK(result.contacts[1].refused == contacts::kInvalidNumber);
  CHECK(result.contacts[2].refused == contacts::kDuplicate);
  CHECK(result.contacts[2].detail == "the same number as line 2");
  CHECK(result.contacts[3].refused == contacts::kMissingNumber);
}

TEST_CASE("contacts: a missing phone column is an error that lists the columns there are") {
  CHECK(read("number,name\n1,2\n").error ==
        "line 1: no column is called 'phone'; the columns are: number, name");
  CHECK(read("phone,phone\n").error == "line 1: two columns are called 'phone'");
  CHECK(read("").error ==
        "the file is empty: the first line must name the columns, e.g. phone,name");
}

TEST_CASE("contacts: a row with too few or too many fields is refused, the rest goes on") {
  const auto result = read("phone,name\n+14155550123\n+14155550124,B,C\n+14155550125,D\n");
  REQUIRE(result.contacts.size() == 3);
  CHECK(result.contacts[0].refused == contacts::kWrongFieldCount);
  CHECK(result.contacts[1].refused == contacts::kWrongFieldCount);
  CHECK(result.contacts[2].refused.empty());
}

TEST_CASE("contacts: a hundred thousand rows are a matter of seconds") {
  constexpr int kRows = 100'000;
  std::string text = "phone,name,city\n";
  for (int i = 0; i < kRows; ++i) {
    text += "+97250" + std::to_string(1'000'000 + i) + ",Contact,Haifa\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto result = read(text);
  const auto spent = std::chrono::steady_clock::now() - begin;
  REQUIRE(result.contacts.size() == kRows);
  CHECK(result.contacts.back().refused.empty());
  CHECK(spent < std::chrono::seconds(60));  // ten times what a slow debug build needs
}

TEST_CASE("contacts: a number without a country code needs a region") {
  CHECK_FALSE(contacts::to_e164("050-123-4567", ""));
  CHECK(contacts::to_e164("050-123-4567", "IL") == "+972501234567");
  CHECK(contacts::is_known_region("IL"));
  CHECK_FALSE(contacts::is_known_region("XX"));
}

namespace {

Read read_json(std::string_view text, std::size_t piece = 1000) {
  Read result;
  contacts::Reader reader(
      "",
      [&](Contact&& contact) -> Status {
        result.contacts.push_back(std::move(contact));
        return {};
      },
      contacts::Format::json_lines);
  Status status;
  for (std::size_t at = 0; at < text.size() && status; at += piece)
    status = reader.feed(text.substr(at, piece));
  if (status) status = reader.finish();
  if (!status) result.error = status.error().context;
  return result;
}

}  // namespace

TEST_CASE("contacts: JSON lines, whatever pieces they come in") {
  const std::string text =
      "{\"phone\": \"+14155550123\", \"name\": \"דנה\", \"City\": \"Haifa\", \"age\": 42, "
      "\"vip\": true, \"nothing\": null, \"timezone\": \"Asia/Jerusalem\"}\n\n"
      "{\"phone\": \"+14155550124\", \"variables\": {\"Plan\": \"B\", \"n\": 1}}";
  for (std::size_t piece = 1; piece < 70; ++piece) {
    INFO(piece);
    const auto result = read_json(text, piece);
    CHECK(result.error.empty());
    REQUIRE(result.contacts.size() == 2);
    const auto& first = result.contacts[0];
    CHECK(first.phone == "+14155550123");
    CHECK(first.name == "דנה");
    CHECK(first.timezone == "Asia/Jerusalem");
    CHECK(first.variables ==
          std::map<std::string, std::string>{{"city", "Haifa"}, {"age", "42"}, {"vip", "true"}});
    CHECK(result.contacts[1].line == 3);
    CHECK(result.contacts[1].variables.at("Plan") == "B");
  }
}

TEST_CASE("contacts: JSON rows are refused one by one, a line that is no object stops the file") {
  const auto result = read_json(
      "{\"phone\": 14155550123}\n{\"phone\": \"+14155550123\", \"tags\": [1]}\n{}\n"
      "{\"phone\": \"+14155550123\", \"timezone\": \"Mars/Olympus\"}\n"
      "{\"phone\": \"+14155550123\"}\n{\"phone\": \"+1 415 555 0123\"}\n");
  REQUIRE(result.contacts.size() == 6);
  CHECK(result.contacts[0].refused == "invalid_member");
  CHECK(result.contacts[1].refused == "invalid_member");
  CHECK(result.contacts[2].refused == "missing_number");
  CHECK(result.contacts[2].detail == "the row has no telephone number");
  CHECK(result.contacts[3].refused == "invalid_timezone");
  CHECK(result.contacts[4].refused.empty());
  CHECK(result.contacts[5].refused == "duplicate");
  CHECK(read_json("{\"phone\": \"+14155550123\"}\nphone,name\n").error.find("line 2") == 0);
  CHECK(read_json("[1]\n").error == "line 1: no JSON object");
}

TEST_CASE("contacts: a priority may stand in a column, or as a number in JSON") {
  const auto result = read(
      "phone,priority\n+14155550123,5\n+14155550124,\n+14155550125,-99\n+14155550126,100\n"
      "+14155550127,soon\n");
  CHECK(result.contacts[0].priority == 5);
  CHECK(result.contacts[1].priority == 0);
  CHECK(result.contacts[2].priority == -99);
  CHECK(result.contacts[3].refused == "invalid_priority");
  CHECK(result.contacts[4].refused == "invalid_priority");
  CHECK(result.contacts[0].variables.empty());
  const auto lines = read_json(
      "{\"phone\": \"+14155550123\", \"priority\": 7}\n"
      "{\"phone\": \"+14155550124\", \"priority\": \"8\"}\n");
  CHECK(lines.contacts[0].priority == 7);
  CHECK(lines.contacts[1].priority == 8);
}

TEST_CASE("contacts: a time zone may stand in a column") {
  const auto result = read("phone,timezone\n+14155550123,Asia/Jerusalem\n+14155550124,\n");
  CHECK(result.contacts[0].timezone == "Asia/Jerusalem");
  CHECK(result.contacts[1].timezone.empty());
  CHECK(result.contacts[0].variables.empty());
}

TEST_CASE("contacts: what an export says of the calls is no variable, in a file that is one") {
  const auto exported = read(
      "id,seq,phone_raw,phone,name,state,outcome,call_sid,timezone,var.city,var.state\n"
      "7,2,415 555 0123,+14155550123,Dana,done,busy,CA1,Asia/Jerusalem,'=1+1,open\n");
  REQUIRE(exported.contacts.size() == 1);
  CHECK(exported.contacts[0].timezone == "Asia/Jerusalem");
  CHECK(exported.contacts[0].variables ==
        std::map<std::string, std::string>{{"city", "=1+1"}, {"state", "open"}});
  const auto own = read("phone,state,var.city,outcome\n+14155550123,Texas,'=1,won\n");
  CHECK(own.contacts[0].variables == std::map<std::string, std::string>{{"state", "Texas"},
                                                                        {"var.city", "'=1"},
                                                                        {"outcome", "won"}});
  const auto lines =
      read_json(R"({"phone_raw":"x","phone":"+14155550123","seq":2,"outcome":null,"call_sid":null,)"
                R"("state":"done","var.city":"Haifa","variables":{"city":"Haifa"}})");
  REQUIRE(lines.contacts.size() == 1);
  CHECK(lines.contacts[0].variables == std::map<std::string, std::string>{{"city", "Haifa"}});
}

TEST_CASE("contacts: a file without any row of JSON is a fault, as a CSV without a header is") {
  for (const auto* text : {"", "\n", " \n\n"}) {
    CHECK(read_json(text).error.find("empty") != std::string::npos);
    CHECK_FALSE(read(text).error.empty());
  }
}
