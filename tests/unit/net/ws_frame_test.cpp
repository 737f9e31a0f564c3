// The hard cases of RFC 6455, without a network. tests/unit/net/ws_rfc_test.cpp has them over sockets.
#include "core/net/ws_frame.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

using namespace call::net;

namespace {

constexpr std::array<unsigned char, 4> kMask = {0x12, 0x00, 0xFF, 0x7A};

std::string client_frame(unsigned char first, std::string_view payload) {
  std::string out;
  append_frame(out, WsOpcode::text, payload, &kMask);
  out[0] = static_cast<char>(first);
  return out;
}

std::string describe(const WsInput& input) {
  return std::to_string(static_cast<int>(input.kind)) + ":" +
         (input.kind == WsOpcode::close ? std::to_string(input.code) + ":" : "") +
         std::string(input.payload);
}

/// All that the bytes say, fed in pieces of `piece`; a fault is the last entry.
std::vector<std::string> read_all(const std::string& bytes, std::size_t piece,
                                  std::size_t limit = 64U << 10, WsRole role = WsRole::server) {
  WsReader reader(role, limit);
  std::vector<std::string> seen;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string part = bytes.substr(at, piece);
    std::span<char> in(part);
    while (const auto input = reader.next(in)) seen.push_back(describe(*input));
    if (reader.fault()) {
      seen.push_back("fault " + std::to_string(reader.fault()->code));
      return seen;
    }
    if (!in.empty()) FAIL("bytes were left");
    if (reader.buffered_bytes() > limit + 125) FAIL("more is kept than the limit");
  }
  return seen;
}

std::string fault_of(const std::string& bytes, std::size_t limit = 64U << 10) {
  const auto whole = read_all(bytes, bytes.size(), limit);
  CHECK(read_all(bytes, 1, limit) == whole);
  return whole.empty() ? "nothing" : whole.back();
}

}  // namespace

TEST_CASE("net.ws_frame: a conversation reads the same in pieces of every size") {
  const std::string hebrew = "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d";
  std::string bytes = client_frame(0x81, "hello");
  bytes += client_frame(0x01, hebrew.substr(0, 3));  // cut inside a character
  bytes += client_frame(0x89, "are you there");      // a ping between the fragments
  bytes += client_frame(0x00, "");
  bytes += client_frame(0x8A, "");
  bytes += client_frame(0x80, hebrew.substr(3));
  bytes += client_frame(0x82, std::string(126, '\x80'));
  bytes += client_frame(0x82, std::string(65535, 'x'));
  bytes += client_frame(0x82, std::string(65536, 'y'));
  bytes += client_frame(0x81, "");
  bytes += client_frame(0x88, std::string("\x03\xe8") + "done");
  const auto whole = read_all(bytes, bytes.size(), 1U << 20);
  REQUIRE(whole.size() == 9);
  CHECK(whole[0] == "1:hello");
  CHECK(whole[1] == "9:are you there");
  CHECK(whole[2] == "10:");
  CHECK(whole[3] == "1:" + hebrew);
  CHECK(whole[6].size() == 65536 + 2);
  CHECK(whole[7] == "1:");
  CHECK(whole[8] == "8:1000:done");
  for (std::size_t piece = 1; piece < 70; ++piece) {
    if (read_all(bytes, piece, 1U << 20) != whole) FAIL("in pieces of " << piece);
  }
}

TEST_CASE("net.ws_frame: what breaks the framing is a fault with 1002") {
  CHECK(fault_of(client_frame(0xC1, "x")) == "fault 1002");  // reserved bits
  CHECK(fault_of(client_frame(0xA1, "x")) == "fault 1002");
  CHECK(fault_of(client_frame(0x91, "x")) == "fault 1002");
  for (const int kind : {0x83, 0x84, 0x85, 0x86, 0x87, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F}) {
    CHECK(fault_of(client_frame(static_cast<unsigned char>(kind), "x")) == "fault 1002");
  }
  CHECK(fault_of(client_frame(0x80, "x")) == "fault 1002");  // continues nothing
  CHECK(fault_of(client_frame(0x01, "x") + client_frame(0x81, "y")) == "fault 1002");
  CHECK(fault_of(client_frame(0x09, "x")) == "fault 1002");  // a fragmented ping
  CHECK(fault_of(client_frame(0x08, "")) == "fault 1002");
  CHECK(fault_of(client_frame(0x89, std::string(126, 'x'))) == "fault 1002");
  CHECK(fault_of(std::string("\x81\x02hi")) == "fault 1002");  // unmasked
  CHECK(fault_of(std::string("\x81\xfe\x00\x05\0\0\0\0hello", 13)) == "fault 1002");
  CHECK(fault_of(std::string("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14)) == "fault 1002");
  CHECK(fault_of(std::string("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14)) == "fault 1002");
  std::string masked;
  append_frame(masked, WsOpcode::text, "x", &kMask);
  CHECK(read_all(masked, 1, 100, WsRole::client).back() == "fault 1002");
}

TEST_CASE("net.ws_frame: sizes are judged by the header, before any of the payload") {
  const std::string giant("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14);
  CHECK(fault_of(giant) == "fault 1009");
  CHECK(fault_of(client_frame(0x82, std::string(1001, 'x')).substr(0, 8), 1000) == "fault 1009");
  CHECK(fault_of(
            client_frame(0x02, std::string(600, 'x')) + client_frame(0x80, std::string(401, 'x')),
            1000) == "fault 1009");
  CHECK(read_all(
            client_frame(0x02, std::string(600, 'x')) + client_frame(0x80, std::string(400, 'x')),
            7, 1000)
            .size() == 1);
}

TEST_CASE("net.ws_frame: text is UTF-8 or a fault with 1007, at the first wrong byte") {
  const std::vector<std::string> bad = {
      "\xc0\xaf",         "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
      "\xf8\x88\x80\x80", "\x80",         "\xd7",         "ok\xe2\x82"};
  for (const auto& text : bad) CHECK(fault_of(client_frame(0x81, text)) == "fault 1007");
  // An unfinished message is not waited for.
  CHECK(fault_of(client_frame(0x01, "a\xff")) == "fault 1007");
  CHECK(read_all(client_frame(0x82, "\xff\xfe"), 1).size() == 1);  // binary is anything
  CHECK(read_all(client_frame(0x81, "\xf4\x8f\xbf\xbf\xee\x80\x80"), 1).size() == 1);
}

TEST_CASE("net.ws_frame: close frames carry a legal code and a reason in UTF-8") {
  const auto close = [](int code, std::string_view reason = "") {
    std::string payload;
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code & 0xFF);
    return client_frame(0x88, payload.append(reason));
  };
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999}) {
    CHECK(fault_of(close(code)) == "8:" + std::to_string(code) + ":");
  }
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    CHECK(fault_of(close(code)) == "fault 1002");
  }
  CHECK(fault_of(client_frame(0x88, "")) == "8:1005:");
  CHECK(fault_of(client_frame(0x88, "\x03")) == "fault 1002");
  CHECK(fault_of(close(1000, "\xff")) == "fault 1007");
  CHECK(close_payload(1000, std::string(200, 'x')).size() == 125);
  CHECK(close_payload(1000, std::string(122, 'x') + "\xd7\xa9").size() == 124);
  CHECK(close_payload(1005, "never sent").empty());
}

TEST_CASE("net.ws_frame: both sides understand each other at every length around a border") {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65535U, 65536U, 65537U}) {
    const std::string payload(size, 'z');
    std::string from_server;
    append_frame(from_server, WsOpcode::binary, payload, nullptr);
    CHECK(read_all(from_server, 1000, 1U << 20, WsRole::client) ==
          std::vector<std::string>{"2:" + payload});
    CHECK(read_all(client_frame(0x82, payload), 999, 1U << 20) ==
          std::vector<std::string>{"2:" + payload});
  }
}

TEST_CASE("net.ws_frame: random bytes and mutated frames end in messages or in a fault") {
  std::mt19937 random(6455);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes;
    for (auto frames = random() % 5 + 1; frames > 0; --frames) {
      const unsigned char first = random() % 3 == 0 ? static_cast<unsigned char>(random()) : 0x81;
      bytes += client_frame(first, std::string(random() % 200, 'a'));
    }
    for (auto changes = random() % 3; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto whole = read_all(bytes, bytes.size(), 1000);
    if (read_all(bytes, random() % 30 + 1, 1000) != whole) FAIL("round " << round);
  }
}

namespace {

/// Written apart from append_frame(): lengths as short as they can be, any first byte, any mask.
std::string raw_frame(unsigned first, const std::string& payload, std::uint32_t mask) {
  std::string out(1, static_cast<char>(first));
  const int more = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
  const std::size_t second = more == 0 ? payload.size() : more == 2 ? 126 : 127;
  out += static_cast<char>(0x80U | second);
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(payload.size() >> 8 * i);
  for (int i = 3; i >= 0; --i) out += static_cast<char>(mask >> 8 * i);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(static_cast<unsigned>(payload[i]) ^ mask >> 8 * (3 - i % 4));
  }
  return out;
}

/// A legal conversation by chance, and what it says.
struct Told {
  std::string bytes;
  std::vector<std::string> inputs;
};

Told random_conversation(std::mt19937& random) {
  Told told;
  const auto control = [&] {
    const bool ping = random() % 2 == 0;
    const std::string payload(random() % 126, static_cast<char>(random()));
    told.bytes += raw_frame(ping ? 0x89 : 0x8A, payload, static_cast<std::uint32_t>(random()));
    told.inputs.push_back((ping ? "9:" : "10:") + payload);
  };
  for (auto messages = random() % 4; messages > 0; --messages) {
    const bool text = random() % 2 == 0;
    std::string whole;
    const auto fragments = random() % 5 + 1;
    for (std::uint32_t i = 0; i < fragments; ++i) {
      const std::size_t sizes[] = {0, 1, random() % 126, 126, random() % 2000, 65535, 65536};
      std::string part(sizes[random() % (random() % 8 == 0 ? 7 : 5)], text ? 'a' : '\xff');
      const unsigned opcode = i > 0 ? 0 : text ? 1 : 2;
      const unsigned last = i + 1 == fragments ? 0x80 : 0;
      const auto mask = random() % 4 == 0 ? 0U : static_cast<std::uint32_t>(random());
      told.bytes += raw_frame(last | opcode, part, mask);
      whole += part;
      if (last == 0 && random() % 2 == 0) control();
    }
    told.inputs.push_back((text ? "1:" : "2:") + whole);
    // Controls between the fragments were told before the message was complete.
  }
  return told;
}

}  // namespace

TEST_CASE("net.ws_frame: random legal conversations are read as they were told") {
  std::mt19937 random(64550);
  for (int round = 0; round < 400; ++round) {
    const auto told = random_conversation(random);
    const auto piece = random() % 3 == 0 ? random() % 30 + 1 : random() % 70000 + 1;
    if (read_all(told.bytes, piece, 1U << 20) != told.inputs) FAIL("round " << round);
    // One violation behind it is found, and nothing before it is lost.
    auto inputs = told.inputs;
    inputs.emplace_back("fault 1002");
    const std::string wrong[] = {raw_frame(0x83, "x", 1), raw_frame(0xC1, "x", 1),
                                 raw_frame(0x80, "x", 1), raw_frame(0x09, "x", 1),
                                 std::string("\x81\x01x")};
    if (read_all(told.bytes + wrong[random() % 5], piece, 1U << 20) != inputs) {
      FAIL("round " << round << " with a violation");
    }
  }
}

TEST_CASE("net.ws_frame: a close between fragments is told, and the open message never") {
  const auto seen =
      read_all(client_frame(0x01, "half") + client_frame(0x88, std::string("\x03\xe9", 2)), 1);
  CHECK(seen == std::vector<std::string>{"8:1001:"});
}

TEST_CASE("net.ws_frame: the accept value of the RFC's example") {
  CHECK(accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
