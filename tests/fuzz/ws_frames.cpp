// WebSocket frames: the same messages come out of the same bytes, however they are cut.
#include <algorithm>
#include <array>

#include "core/base/assert.hpp"
#include "core/net/ws_frame.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

constexpr std::size_t kMostBytes = 4096;

/// All that is read, as text.
std::string read_all(std::string bytes, net::WsRole role, std::size_t piece) {
  net::WsReader reader(role, kMostBytes);
  std::string out;
  for (std::size_t at = 0; at < bytes.size() && !reader.fault(); at += piece) {
    std::span<char> in = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
    while (const auto input = reader.next(in)) {
      CALL_ASSERT(input->payload.size() <= kMostBytes);
      out +=
          std::to_string(static_cast<int>(input->kind)) + ":" + std::to_string(input->code) + ":";
      out.append(input->payload).append("\n");
    }
  }
  CALL_ASSERT(reader.buffered_bytes() <= kMostBytes + 125);
  return reader.fault() ? out + reader.fault()->what : out;
}

}  // namespace

// The first byte of an input chooses the role and the size of the pieces.
std::vector<std::string> seeds() {
  const std::array<unsigned char, 4> mask = {1, 2, 3, 4};
  std::vector<std::string> out;
  for (const auto* mask_of_client :
       {&mask, static_cast<const std::array<unsigned char, 4>*>(nullptr)}) {
    std::string frames(1, mask_of_client != nullptr ? '\x06' : '\x07');
    for (const auto& [kind, text] :
         {std::pair(net::WsOpcode::text, std::string("שלום")),
          std::pair(net::WsOpcode::binary, std::string(300, 'x')),
          std::pair(net::WsOpcode::ping, std::string("p")),
          std::pair(net::WsOpcode::pong, std::string()),
          std::pair(net::WsOpcode::close, net::close_payload(1000, "bye"))})
      net::append_frame(frames, kind, text, mask_of_client);
    out.push_back(frames);
  }
  out.push_back(std::string("\x05\x01\x03one\x89\x01p\x80\x03two", 14));  // in fragments
  return out;
}

void feed(std::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<unsigned char>(input[0]);
  const auto role = choice % 2 == 0 ? net::WsRole::server : net::WsRole::client;
  const std::string bytes(input.substr(1));
  CALL_ASSERT(read_all(bytes, role, 1 + choice / 2) == read_all(bytes, role, bytes.size() + 1));
}

}  // namespace call::fuzz
