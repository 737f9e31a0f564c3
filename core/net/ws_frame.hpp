// RFC 6455 on the wire: frames to messages and back, for both sides. Pure: no socket, no clock; one
// thread. Written here rather than with Beast, because a media server's cost is its cost per frame:
// this reader hands a whole message out of the receive buffer without copying it, many messages of
// one read are answered by one write, and it can be fed and fuzzed without a network.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/net/utf8.hpp"

namespace call::net {

enum class WsRole { client, server };

enum class WsOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

/// What a peer has said: a whole message or a control frame.
struct WsInput {
  WsOpcode kind = WsOpcode::text;  ///< never continuation
  std::string_view payload;        ///< of a close: the reason
  std::uint16_t code = 0;          ///< of a close; 1005 when the peer gave none
};

class WsReader {
 public:
  /// `role` is ours: a server takes masked frames only, a client takes unmasked ones only.
  WsReader(WsRole role, std::size_t max_message_bytes)
      : role_(role), max_message_bytes_(max_message_bytes) {}

  /// Consumes bytes from the front of `in` (unmasking them in place) up to the end of the next
  /// message or control frame and returns that; nullopt when all bytes are consumed or at a fault.
  /// What is returned points into `in` or into the reader; it is good until the next call.
  std::optional<WsInput> next(std::span<char>& in);

  /// Set for good once the peer has broken the rules.
  struct Fault {
    std::uint16_t code = 1002;  ///< for our close frame: 1002, 1007 or 1009
    const char* what = "";
  };
  const std::optional<Fault>& fault() const { return fault_; }
  std::size_t buffered_bytes() const { return message_.size() + control_.size(); }

 private:
  bool read_header(std::span<char>& in);
  bool begin_frame();
  bool check_size(std::uint64_t length);
  std::optional<WsInput> read_payload(std::span<char>& in);
  std::optional<WsInput> end_control();
  std::optional<WsInput> end_message(std::string_view payload);
  bool fail(std::uint16_t code, const char* what);

  const WsRole role_;
  const std::size_t max_message_bytes_;
  std::optional<Fault> fault_;

  std::array<unsigned char, 14> header_{};
  std::size_t header_have_ = 0;
  bool in_payload_ = false;
  WsOpcode opcode_ = WsOpcode::text;  ///< of the frame
  bool final_ = false;
  std::uint64_t left_ = 0;  ///< payload bytes of the frame that are still to come
  std::array<unsigned char, 4> mask_{};
  std::size_t mask_at_ = 0;

  std::optional<WsOpcode> message_kind_;  ///< set while a message is open
  std::string message_;
  bool message_given_ = false;  ///< message_ was handed out and is to be emptied
  std::string control_;
  Utf8Check utf8_;
};

/// Appends one unfragmented frame. `mask` for clients, null for servers.
void append_frame(std::string& out, WsOpcode opcode, std::string_view payload,
                  const std::array<unsigned char, 4>* mask);

/// The payload of a close frame: the code, then the reason, cut to 123 bytes at a character.
std::string close_payload(std::uint16_t code, std::string_view reason);

/// RFC 6455, section 7.4: what may stand in a close frame.
bool is_close_code(std::uint16_t code);

/// The answer to a Sec-WebSocket-Key.
std::string accept_value(std::string_view key);

}  // namespace call::net
