#include "core/rq/pickle.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "core/rq/payload.hpp"
#include "tests/unit/rq/pickle_vectors.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Json;
using namespace call::rq::test;  // NOLINT: test vectors only

namespace {

Json read(std::string_view hex) {
  auto value = rq::unpickle(from_hex(hex));
  if (!value) FAIL(value.error().to_string());
  return *value;
}

}  // namespace

TEST_CASE("rq.pickle: what CPython wrote in protocols 2, 4 and 5 is read") {
  for (const auto hex : {kMixed2, kMixed4, kMixed5}) {
    const Json value = read(hex);
    REQUIRE(value.size() == 23);
    CHECK(value[1] == -1);
    CHECK(value[5] == -2147483648LL);
    CHECK(value[6] == 2147483648LL);
    CHECK(value[7] == 9223372036854775807LL);
    CHECK(value[8] == std::numeric_limits<std::int64_t>::min());
    CHECK(value[9] == "18446744073709551616");
    CHECK(value[10] == 2.5);
    CHECK(value[11] == "é");
    CHECK(value[12].is_null());
    CHECK(value[13] == true);
    CHECK(value[15] == Json::binary({0x00, 0xff}));
    CHECK(value[16] == Json::parse("[1,[2]]"));
    CHECK(value[17] == Json::parse(R"({"a":{"b":[]}})"));
    CHECK(value[18].empty());
    CHECK(value[21] == Json::parse("[1,2,3]"));
  }
}

TEST_CASE("rq.pickle: the standard library's data classes are read, not run") {
  for (const auto hex : {kTimes2, kTimes4, kTimes5}) {
    CHECK(read(hex) == Json::parse(R"(["2026-01-02T03:04:05.000006+00:00", "2026-01-02T03:04:05",
      "2026-12-31", "23:59:58.000001", 86402.5, "2026-01-02T03:04:05-05:30"])"));
  }
  for (const auto hex : {kObjects4, kObjects5}) {
    const Json value = read(hex);
    CHECK(value[0] == "1.50");
    CHECK(value[1] == "12345678-1234-5678-1234-567812345678");
    CHECK(value[2] == "00000000-0000-0000-0000-000000000005");
    CHECK(value[3] == "(1-2j)");
    CHECK(value[4] == Json::parse(R"({"a":1})"));
    CHECK(value[5] == Json::binary({'a', 'b'}));
  }
}

TEST_CASE("rq.pickle: a value used twice arrives twice") {
  CHECK(read(kShared) == Json::parse(R"(["same","same",[1],[1]])"));
  CHECK(read(kKeys) == Json::parse(R"({"1":"a","null":"b","2.5":"c"})"));
}

TEST_CASE("rq.pickle: cycles, bombs and depths are refused") {
  for (const auto hex : {kCycle, kCycleTuple, kLaughs}) {
    const auto value = rq::unpickle(from_hex(hex), nullptr, {.values = 10'000});
    REQUIRE_FALSE(value);
    CHECK(value.error().code == Errc::limit);
  }
  std::string deep = "\x80\x04";
  for (int i = 0; i < 200; ++i) deep += ']';
  for (int i = 0; i < 199; ++i) deep += 'a';
  CHECK(rq::unpickle(deep + ".").error().code == Errc::limit);
  CHECK(rq::unpickle("\x80\x04" + std::string(300'000, ']')).error().code == Errc::limit);
}

TEST_CASE("rq.pickle: a class that only Python knows is named, and never looked up") {
  for (const auto& [hex, name] :
       {std::pair{kEvil, "posix.system"}, std::pair{kPath, "pathlib.PurePosixPath"}}) {
    std::string foreign;
    const auto value = rq::unpickle(from_hex(hex), &foreign);
    REQUIRE(value);
    CHECK(foreign == name);
    CHECK(rq::unpickle(from_hex(hex)).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("rq.pickle: opcodes beyond plain data are refused by name") {
  // INST, OBJ, PERSID, BINPERSID, EXT1, EXT4, NEXT_BUFFER, READONLY_BUFFER, INT, NEWOBJ_EX, DICT
  for (const int opcode : {0x69, 0x6f, 0x50, 0x51, 0x82, 0x84, 0x97, 0x98, 0x49, 0x92, 0x64}) {
    const std::string bytes = {'\x80', '\x04', '(', 'N', static_cast<char>(opcode), '.'};
    const auto value = rq::unpickle(bytes);
    REQUIRE_FALSE(value);
    CHECK(value.error().context.find(fmt::format("0x{:02x}", opcode)) != std::string::npos);
  }
}

TEST_CASE("rq.pickle: sizes that the data does not have are refused at once") {
  for (const char* hex :
       {"80048dffffffffffffff7f2e",
        "8004"
        "58ffffffff2e",
        "80048effffffffffffffff2e", "80048bffffff7f2e", "80048aff2e", "800443ff2e",
        "8009"
        "4e2e",
        "8004"
        "6a01000000"
        "2e"})
    CHECK_FALSE(rq::unpickle(from_hex(hex)));
}

TEST_CASE("rq.pickle: every cut and every changed byte is an answer, never a crash") {
  std::mt19937 random(20261123);
  for (const auto hex : kAll) {
    const std::string whole = from_hex(hex);
    for (std::size_t size = 0; size < whole.size(); ++size)
      CHECK_FALSE(rq::unpickle(std::string_view(whole).substr(0, size)));
    for (int round = 0; round < 2000; ++round) {
      std::string changed = whole;
      const int changes = 1 + static_cast<int>(random() % 4);
      for (int i = 0; i < changes; ++i)
        changed[random() % changed.size()] = static_cast<char>(random() & 0xFF);
      std::string foreign;
      const auto value = rq::unpickle(changed, &foreign, {.values = 5000});
      if (!value) CHECK(value.error().context.starts_with("pickle"));
    }
  }
  for (int round = 0; round < 20'000; ++round) {
    std::string noise(random() % 60, '\0');
    for (char& c : noise) c = static_cast<char>(random() & 0xFF);
    const auto value = rq::unpickle(noise + ".");
    if (!value) CHECK(value.error().context.starts_with("pickle"));
  }
}

TEST_CASE("rq.pickle: what is written is read back") {
  const Json value = {1,
                      -1,
                      0,
                      255,
                      256,
                      -2147483648LL,
                      2147483648LL,
                      std::numeric_limits<std::int64_t>::min(),
                      1.5,
                      "",
                      "é",
                      std::string(300, 'x'),
                      nullptr,
                      true,
                      false,
                      Json::array(),
                      Json::object(),
                      {{"k", {1, {2}}}},
                      Json::binary({1, 2, 255})};
  CHECK(*rq::unpickle(rq::pickle(value)) == value);
  CHECK(*rq::unpickle(rq::pickle(18446744073709551615ULL)) == "18446744073709551615");
  CHECK(rq::pickle(3) == from_hex("80044b032e"));  // as CPython, without FRAME
  CHECK(*rq::unpickle(rq::pickle("a\xff")) == "a\xEF\xBF\xBD");
}

TEST_CASE("rq.pickle: a few bytes that name a large value again and again are refused") {
  const std::string list = "\x80\x04]\x94(" + std::string(100'000, 'N') + "e0";
  const std::string frozenset =
      std::string("\x8c\x08") + "builtins" + "\x8c\x09" + "frozenset" + "\x93\x94";
  std::string copies = list + frozenset + std::string("h\x00\x85\x94", 4);
  for (int i = 0; i < 90'000; ++i) copies += "h\x01h\x02R0";
  CHECK(rq::unpickle(copies + "N.").error().code == Errc::limit);

  // An object whose state is set a million times from a large dictionary.
  std::string states = std::string("\x80\x04}\x94(", 5);
  for (int i = 0; i < 60'000; ++i) states += "NN";
  states += std::string("u0\x8c\x04") + "uuid" + "\x8c\x04" + "UUID" + "\x93)\x81";
  for (int i = 0; i < 1'000'000; ++i) states.append({'h', '\0', 'b'});
  CHECK(rq::unpickle(states + ".").error().code == Errc::limit);
}

TEST_CASE("rq.pickle: nothing may follow the end") {
  CHECK(rq::unpickle("\x80\x04N.").value().is_null());
  CHECK(rq::unpickle("\x80\x04N.N.").error().code == Errc::invalid_argument);
}

TEST_CASE("rq.pickle: any order of opcodes is read or refused") {
  const std::string opcodes =
      "NKMJG\x88\x89\x8a\x8c"
      "XCB\x8e\x96)\x85\x86\x87t]ae}su\x8f\x90\x91"
      "\x94qhrj\x93"
      "cR\x81"
      "b(012.";
  std::mt19937 random(20261127);
  const auto byte = [&] { return static_cast<char>(random() % 4); };
  int read = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = "\x80\x04";
    const auto length = random() % 40;
    for (unsigned i = 0; i < length; ++i) {
      text += opcodes[random() % opcodes.size()];
      for (auto operands = random() % 3; operands > 0; --operands) text += byte();
    }
    std::string foreign;
    const auto value = rq::unpickle(text + ".", &foreign, {.values = 2000, .depth = 20});
    if (value) {
      ++read;
      CHECK(rq::unpickle(rq::pickle(*value)));
    } else {
      CHECK(value.error().context.starts_with("pickle"));
    }
  }
  CHECK(read > 100);
}
