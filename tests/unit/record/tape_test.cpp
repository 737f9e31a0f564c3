#include "core/record/tape.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace call;
using namespace call::record;

TEST_CASE("record.tape: items come back as they were put, whatever the portions") {
  TapeWriter writer;
  std::string file(kTapeMagic);
  writer.put('a', 5, "one");
  file += tape_chunk(Track::session, writer.take());
  file += tape_chunk(Track::handler, "");
  writer.put('b', 3, std::string("\0\xff", 2));
  writer.put_number('n', 1'000'000'000'000, -77);
  file += tape_chunk(Track::session, writer.take());
  CHECK(writer.take().empty());

  const auto tracks = read_tape(file);
  REQUIRE(tracks);
  TapeReader reader(tracks->at(Track::session));
  CHECK(reader.peek()->kind == 'a');
  auto item = reader.next();
  CHECK((item->at_ns == 5 && item->bytes == "one"));
  item = reader.next();
  CHECK((item->at_ns == 3 && item->bytes == std::string("\0\xff", 2)));
  item = reader.next();
  CHECK(item->at_ns == 1'000'000'000'000);
  CHECK(tape_number(item->bytes) == -77);
  CHECK_FALSE(reader.next());
  CHECK_FALSE(reader.truncated());
}

TEST_CASE("record.tape: numbers of every size") {
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63}, std::int64_t{64}, std::int64_t{-65},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    std::string bytes;
    append_number(bytes, number);
    CHECK(tape_number(bytes) == number);
  }
  CHECK_FALSE(tape_number(""));
  CHECK_FALSE(tape_number("\x80"));
}

TEST_CASE("record.tape: a file cut anywhere is read up to there") {
  TapeWriter writer;
  std::string file(kTapeMagic);
  for (int i = 0; i < 20; ++i) {
    writer.put('x', i, std::string(static_cast<std::size_t>(i) * 7, 'y'));
    if (i % 3 == 0) file += tape_chunk(Track::session, writer.take());
  }
  file += tape_chunk(Track::session, writer.take());
  for (std::size_t cut = kTapeMagic.size(); cut <= file.size(); ++cut) {
    const auto tracks = read_tape(std::string_view(file).substr(0, cut));
    REQUIRE(tracks);
    if (!tracks->contains(Track::session)) continue;
    TapeReader reader(tracks->at(Track::session));
    int items = 0;
    while (const auto item = reader.next()) {
      CHECK(item->bytes.size() == static_cast<std::size_t>(items) * 7);
      ++items;
    }
    if (cut == file.size()) CHECK((items == 20 && !reader.truncated()));
  }
}

TEST_CASE("record.tape: what is no tape is said to be none") {
  CHECK(read_tape("RIFF....").error().code == Errc::protocol);
  CHECK(read_tape("").error().code == Errc::protocol);
  CHECK(read_tape("calld-tape 9\n").error().context.find("another version") != std::string::npos);
}
