// The classes of Python's standard library that are plain data, by the arguments that pickle gives
// to their constructors.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/base/strings.hpp"
#include "core/rq/pickle_read.hpp"

namespace call::rq::detail {
namespace {

using Kind = Node::Kind;
using Args = std::vector<Ref>;

constexpr std::int64_t kMicros = 1'000'000;

unsigned byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

const Node* argument(const Nodes& nodes, const Args& args, std::size_t i, Kind kind) {
  if (i >= args.size() || nodes[args[i]].kind != kind) return nullptr;
  return &nodes[args[i]];
}

Node foreign(std::string type) {
  return {.kind = Kind::foreign, .type = std::move(type)};
}
Node plain(std::string text) {
  return {.kind = Kind::plain, .text = std::move(text)};
}

std::string fraction(unsigned micros) {
  return micros == 0 ? "" : fmt::format(".{:06}", micros);
}

std::string date_text(std::string_view b) {
  // The month's bit 7 is `fold`: which of two equal local times is meant. ISO text cannot say it.
  return fmt::format("{:04}-{:02}-{:02}", byte_at(b, 0) * 256 + byte_at(b, 1), byte_at(b, 2) & 0x7F,
                     byte_at(b, 3));
}

std::string time_text(std::string_view b) {
  const unsigned micros = byte_at(b, 3) * 65536 + byte_at(b, 4) * 256 + byte_at(b, 5);
  return fmt::format("{:02}:{:02}:{:02}{}", byte_at(b, 0) & 0x7F, byte_at(b, 1), byte_at(b, 2),
                     fraction(micros));
}

/// "+02:00" for a timezone argument; nullopt for a zone that only Python knows.
std::optional<std::string> zone_text(const Nodes& nodes, const Args& args) {
  if (args.size() < 2) return std::string{};
  const Node* zone = argument(nodes, args, 1, Kind::duration);
  if (zone == nullptr) return std::nullopt;
  const std::int64_t seconds = std::abs(zone->integer / kMicros);
  std::string text = fmt::format("{}{:02}:{:02}", zone->integer < 0 ? '-' : '+', seconds / 3600,
                                 seconds / 60 % 60);
  if (seconds % 60 != 0) text += fmt::format(":{:02}", seconds % 60);
  return text;
}

Node moment(const Nodes& nodes, const std::string& type, const Args& args) {
  const Node* packed = argument(nodes, args, 0, Kind::bytes);
  const auto zone = zone_text(nodes, args);
  if (packed == nullptr || !zone) return foreign(type);
  const std::string_view bytes = packed->text;
  if (type == "datetime.datetime" && bytes.size() == 10)
    return plain(date_text(bytes) + "T" + time_text(bytes.substr(4)) + *zone);
  if (type == "datetime.date" && bytes.size() == 4) return plain(date_text(bytes));
  if (type == "datetime.time" && bytes.size() == 6) return plain(time_text(bytes) + *zone);
  return foreign(type);
}

Node duration(const Nodes& nodes, const Args& args) {
  // Days, seconds, microseconds. The days are a tenth of timedelta's own limit, so that the sum in
  // microseconds fits.
  constexpr std::array<std::int64_t, 3> kMost = {99'999'999, 999'999'999, 999'999'999};
  std::array<std::int64_t, 3> parts{};
  for (std::size_t i = 0; i < parts.size() && i < args.size(); ++i) {
    const Node* part = argument(nodes, args, i, Kind::integer);
    if (part == nullptr || part->integer > kMost[i] || part->integer < -kMost[i])
      return foreign("datetime.timedelta");
    parts[i] = part->integer;
  }
  return {.kind = Kind::duration, .integer = (parts[0] * 86400 + parts[1]) * kMicros + parts[2]};
}

Node complex_number(const Nodes& nodes, const Args& args) {
  const Node* real = argument(nodes, args, 0, Kind::real);
  const Node* imaginary = argument(nodes, args, 1, Kind::real);
  if (real == nullptr || imaginary == nullptr) return foreign("builtins.complex");
  return plain(fmt::format("({}{:+}j)", real->real, imaginary->real));
}

Node collection(const Nodes& nodes, const std::string& type, const Args& args) {
  const Node* items = argument(nodes, args, 0, Kind::list);
  if (items == nullptr) return foreign(type);
  return {.kind = Kind::set, .items = items->items};
}

/// Protocol 2 writes bytes as text whose characters are the bytes, for _codecs.encode(..., 'latin1').
Node latin1_bytes(const Nodes& nodes, const Args& args) {
  const Node* text = argument(nodes, args, 0, Kind::text);
  const Node* codec = argument(nodes, args, 1, Kind::text);
  if (text == nullptr || codec == nullptr || codec->text != "latin1")
    return foreign("_codecs.encode");
  std::string bytes;
  for (std::size_t i = 0; i < text->text.size(); ++i) {
    const unsigned lead = byte_at(text->text, i);
    const bool two = (lead == 0xC2 || lead == 0xC3) && i + 1 < text->text.size();
    if (lead >= 0x80 && !two) return foreign("_codecs.encode");
    bytes += static_cast<char>(two ? (lead & 3) << 6 | (byte_at(text->text, ++i) & 0x3F) : lead);
  }
  return {.kind = Kind::bytes, .text = std::move(bytes)};
}

std::string uuid_text(const Node& number) {
  std::string bytes;  // little-endian
  if (number.kind == Kind::integer) {
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>((number.integer >> (8 * i)) & 0xFF);
  } else if (number.kind == Kind::big_integer) {
    bytes = number.text;
  }
  bytes.resize(16, '\0');
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", byte_at(bytes, 15 - i));
  }
  return text;
}

}  // namespace

Node construct(const Nodes& nodes, const std::string& type, const Args& args) {
  if (type == "datetime.datetime" || type == "datetime.date" || type == "datetime.time")
    return moment(nodes, type, args);
  if (type == "datetime.timedelta") return duration(nodes, args);
  if (type == "datetime.timezone") {
    const Node* offset = argument(nodes, args, 0, Kind::duration);
    return offset == nullptr ? foreign(type)
                             : Node{.kind = Kind::duration, .integer = offset->integer};
  }
  if (type == "decimal.Decimal") {
    const Node* text = argument(nodes, args, 0, Kind::text);
    return text == nullptr ? foreign(type) : plain(text->text);
  }
  if (type == "uuid.UUID" && args.empty()) return {.kind = Kind::uuid, .type = type};
  if (type == "_codecs.encode") return latin1_bytes(nodes, args);
  if (type == "builtins.complex") return complex_number(nodes, args);
  if (type == "collections.OrderedDict" && args.empty()) return {.kind = Kind::dict};
  if (type == "builtins.bytearray") {
    if (args.empty()) return {.kind = Kind::bytes};
    const Node* bytes = argument(nodes, args, 0, Kind::bytes);
    return bytes == nullptr ? foreign(type) : Node{.kind = Kind::bytes, .text = bytes->text};
  }
  if (type == "builtins.set" || type == "builtins.frozenset" || type == "__builtin__.set" ||
      type == "__builtin__.frozenset")
    return collection(nodes, type, args);
  return foreign(type);
}

void set_state(const Nodes& nodes, Node& object, const Node& state) {
  if (object.kind != Kind::uuid || state.kind != Kind::dict) return;
  for (std::size_t i = 0; i + 1 < state.items.size(); i += 2)
    if (nodes[state.items[i]].text == "int") object.text = uuid_text(nodes[state.items[i + 1]]);
}

std::string to_decimal(std::string_view little_endian) {
  const bool negative =
      !little_endian.empty() && (byte_at(little_endian, little_endian.size() - 1) & 0x80) != 0;
  std::vector<unsigned> magnitude;  // base 256, most significant first
  unsigned carry = 1;
  for (std::size_t i = 0; i < little_endian.size(); ++i) {
    unsigned digit = byte_at(little_endian, i);
    if (negative) {
      digit = (digit ^ 0xFF) + carry;
      carry = digit >> 8;
      digit &= 0xFF;
    }
    magnitude.push_back(digit);
  }
  std::reverse(magnitude.begin(), magnitude.end());

  std::string digits;  // least significant first
  while (std::any_of(magnitude.begin(), magnitude.end(), [](unsigned d) { return d != 0; })) {
    unsigned remainder = 0;
    for (unsigned& digit : magnitude) {
      const unsigned value = remainder * 256 + digit;
      digit = value / 10;
      remainder = value % 10;
    }
    digits += static_cast<char>('0' + remainder);
  }
  if (digits.empty()) return "0";
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace call::rq::detail
