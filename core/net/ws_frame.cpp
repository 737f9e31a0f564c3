#include "core/net/ws_frame.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/crypto/hash.hpp"

namespace call::net {
namespace {

constexpr std::size_t kMaxControlBytes = 125;
constexpr std::size_t kMaxReasonBytes = 123;
constexpr std::size_t kKeepBytes = 16U << 10;  // of the message buffer, between large messages
constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kMasked = 0x80;

bool is_control(WsOpcode opcode) {
  return static_cast<unsigned>(opcode) >= 8;
}

/// XORs with the mask, whose byte `at` belongs to the first one; eight bytes at a time.
void apply_mask(std::span<char> bytes, const std::array<unsigned char, 4>& mask, std::size_t at) {
  std::array<unsigned char, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(at + i) % 4];
  std::uint64_t key = 0;
  std::memcpy(&key, turned.data(), sizeof key);
  std::size_t i = 0;
  for (; i + sizeof key <= bytes.size(); i += sizeof key) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    word ^= key;
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  for (; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ turned[i % 8]);
  }
}

std::size_t length_bytes(unsigned char second) {
  const unsigned length = second & 0x7FU;
  return length == 126 ? 2 : length == 127 ? 8 : 0;
}

std::uint64_t big_endian(std::span<const unsigned char> bytes) {
  std::uint64_t value = 0;
  for (const auto byte : bytes) value = value << 8U | byte;
  return value;
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFFU);
  }
}

}  // namespace

bool WsReader::fail(std::uint16_t code, const char* what) {
  fault_ = Fault{code, what};
  return false;
}

std::optional<WsInput> WsReader::next(std::span<char>& in) {
  if (message_given_) {
    message_given_ = false;
    message_.clear();
    if (message_.capacity() > kKeepBytes) message_.shrink_to_fit();
  }
  while (!fault_) {
    if (!in_payload_ && (!read_header(in) || !begin_frame())) return std::nullopt;
    if (auto input = read_payload(in)) return input;
    if (in_payload_) return std::nullopt;  // the frame's end has not come yet
  }
  return std::nullopt;
}

/// True once the whole header is there.
bool WsReader::read_header(std::span<char>& in) {
  for (;;) {
    std::size_t wanted = 2;
    if (header_have_ >= 2) {
      wanted += length_bytes(header_[1]) + ((header_[1] & kMasked) != 0 ? 4U : 0U);
      if (header_have_ == wanted) return true;
    }
    const std::size_t part = std::min(wanted - header_have_, in.size());
    if (part == 0) return false;
    std::memcpy(header_.data() + header_have_, in.data(), part);
    header_have_ += part;
    in = in.subspan(part);
  }
}

bool WsReader::begin_frame() {
  const std::size_t extra = length_bytes(header_[1]);
  const bool masked = (header_[1] & kMasked) != 0;
  final_ = (header_[0] & kFinal) != 0;
  opcode_ = static_cast<WsOpcode>(header_[0] & 0x0FU);
  left_ = extra == 0 ? header_[1] & 0x7FU : big_endian(std::span(header_).subspan(2, extra));
  if (masked) std::copy_n(header_.begin() + 2 + static_cast<int>(extra), 4, mask_.begin());
  mask_at_ = 0;
  header_have_ = 0;
  if ((header_[0] & 0x70U) != 0) return fail(1002, "a reserved bit is set");
  if (masked != (role_ == WsRole::server)) {
    return fail(1002, masked ? "a masked frame from a server" : "an unmasked frame from a client");
  }
  if ((extra == 2 && left_ < 126) || (extra == 8 && left_ <= 0xFFFF)) {
    return fail(1002, "a length in more bytes than it needs");
  }
  if (left_ >> 63U != 0) return fail(1002, "a length of more than 63 bits");
  switch (opcode_) {
    case WsOpcode::text:
    case WsOpcode::binary:
      if (message_kind_) return fail(1002, "a new message inside a fragmented one");
      message_kind_ = opcode_;
      utf8_.reset();
      break;
    case WsOpcode::continuation:
      if (!message_kind_) return fail(1002, "a continuation of nothing");
      break;
    case WsOpcode::close:
    case WsOpcode::ping:
    case WsOpcode::pong:
      if (!final_) return fail(1002, "a fragmented control frame");
      if (left_ > kMaxControlBytes) return fail(1002, "a control frame of more than 125 bytes");
      break;
    default:
      return fail(1002, "an unknown kind of frame");
  }
  if (!is_control(opcode_) && left_ > max_message_bytes_ - message_.size()) {
    return fail(1009, "a message above the limit");
  }
  in_payload_ = true;
  if (is_control(opcode_)) control_.clear();
  return true;
}

std::optional<WsInput> WsReader::read_payload(std::span<char>& in) {
  const auto part = in.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
  in = in.subspan(part.size());
  if (role_ == WsRole::server) apply_mask(part, mask_, mask_at_);
  mask_at_ = (mask_at_ + part.size()) % 4;
  left_ -= part.size();
  const std::string_view bytes(part.data(), part.size());
  in_payload_ = left_ > 0;
  if (is_control(opcode_)) {
    control_.append(bytes);
    return in_payload_ ? std::nullopt : end_control();
  }
  if (message_kind_ == WsOpcode::text && !utf8_.push(bytes)) {
    fail(1007, "text that is not UTF-8");
    return std::nullopt;
  }
  const bool whole = final_ && !in_payload_;
  if (whole && message_.empty()) return end_message(bytes);
  message_.append(bytes);
  if (!whole) return std::nullopt;
  message_given_ = true;
  return end_message(message_);
}

std::optional<WsInput> WsReader::end_message(std::string_view payload) {
  if (message_kind_ == WsOpcode::text && !utf8_.complete()) {
    fail(1007, "text that ends inside a character");
    return std::nullopt;
  }
  WsInput input;
  input.kind = *message_kind_;
  input.payload = payload;
  message_kind_.reset();
  return input;
}

std::optional<WsInput> WsReader::end_control() {
  WsInput input;
  input.kind = opcode_;
  input.payload = control_;
  if (opcode_ != WsOpcode::close) return input;
  input.code = 1005;
  if (control_.empty()) return input;
  if (control_.size() == 1) {
    fail(1002, "half a close code");
    return std::nullopt;
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(control_.data());
  input.code = static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
  input.payload.remove_prefix(2);
  if (!is_close_code(input.code)) {
    fail(1002, "a close code that must not be sent");
    return std::nullopt;
  }
  Utf8Check reason;
  if (!reason.push(input.payload) || !reason.complete()) {
    fail(1007, "a close reason that is not UTF-8");
    return std::nullopt;
  }
  return input;
}

void append_frame(std::string& out, WsOpcode opcode, std::string_view payload,
                  const std::array<unsigned char, 4>* mask) {
  const unsigned char flag = mask != nullptr ? kMasked : 0;
  out += static_cast<char>(kFinal | static_cast<unsigned char>(opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(flag | payload.size());
  } else if (payload.size() <= 0xFFFF) {
    out += static_cast<char>(flag | 126U);
    append_big_endian(out, payload.size(), 2);
  } else {
    out += static_cast<char>(flag | 127U);
    append_big_endian(out, payload.size(), 8);
  }
  if (mask != nullptr) out.append(reinterpret_cast<const char*>(mask->data()), mask->size());
  const std::size_t at = out.size();
  out.append(payload);
  if (mask != nullptr) apply_mask(std::span(out).subspan(at), *mask, 0);
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
  std::string payload;
  if (!is_close_code(code)) return payload;
  append_big_endian(payload, code, 2);
  return payload.append(truncate_utf8(reason, kMaxReasonBytes));
}

bool is_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

std::string accept_value(std::string_view key) {
  constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  return crypto::base64_encode(crypto::sha1(std::string(key).append(kGuid)));
}

}  // namespace call::net
