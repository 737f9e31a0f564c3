#include "core/record/tape.hpp"

#include <utility>

namespace call::record {
namespace {

constexpr std::size_t kMaxItem = 16U << 20;

/// Small numbers of either sign become small, so that they take one byte.
std::uint64_t zigzag(std::int64_t number) {
  return (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
}

std::int64_t unzigzag(std::uint64_t code) {
  return static_cast<std::int64_t>(code >> 1) ^ -static_cast<std::int64_t>(code & 1);
}

}  // namespace

void append_number(std::string& out, std::int64_t number) {
  auto code = zigzag(number);
  for (; code >= 0x80; code >>= 7) out.push_back(static_cast<char>((code & 0x7f) | 0x80));
  out.push_back(static_cast<char>(code));
}

std::optional<std::int64_t> take_number(std::string_view& bytes) {
  std::uint64_t code = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    code |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return unzigzag(code);
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> tape_number(std::string_view bytes) {
  const auto number = take_number(bytes);
  return bytes.empty() ? number : std::nullopt;
}

void TapeWriter::put(char kind, std::int64_t at_ns, std::string_view bytes) {
  const auto before = buffer_.size();
  buffer_.push_back(kind);
  append_number(buffer_, at_ns - std::exchange(last_ns_, at_ns));
  append_number(buffer_, static_cast<std::int64_t>(bytes.size()));
  buffer_ += bytes;
  total_ += buffer_.size() - before;
}

void TapeWriter::put_number(char kind, std::int64_t at_ns, std::int64_t number) {
  std::string bytes;
  append_number(bytes, number);
  put(kind, at_ns, bytes);
}

std::string TapeWriter::take() {
  return std::exchange(buffer_, {});
}

const std::optional<TapeItem>& TapeReader::peek() {
  if (ahead_ || rest_.empty()) return ahead_;
  auto rest = rest_;
  TapeItem item;
  item.kind = rest.front();
  rest.remove_prefix(1);
  const auto span = take_number(rest);
  const auto size = take_number(rest);
  if (!span || !size || *size < 0 || __builtin_add_overflow(last_ns_, *span, &last_ns_) ||
      static_cast<std::size_t>(*size) > kMaxItem || static_cast<std::size_t>(*size) > rest.size()) {
    truncated_ = true;
    rest_ = {};
    return ahead_;
  }
  item.at_ns = last_ns_;
  item.bytes = rest.substr(0, static_cast<std::size_t>(*size));
  rest_ = rest.substr(item.bytes.size());
  ahead_ = item;
  return ahead_;
}

std::optional<TapeItem> TapeReader::next() {
  peek();
  return std::exchange(ahead_, std::nullopt);
}

std::string tape_chunk(Track track, std::string_view bytes) {
  std::string chunk;
  chunk.push_back(static_cast<char>(track));
  append_number(chunk, static_cast<std::int64_t>(bytes.size()));
  chunk += bytes;
  return chunk;
}

Result<std::map<Track, std::string>> read_tape(std::string_view file) {
  if (!file.starts_with(kTapeMagic)) {
    const bool newer = file.starts_with("calld-tape ");
    return Error{Errc::protocol,
                 newer ? "the tape is of another version of calld" : "this is no tape of a call"};
  }
  file.remove_prefix(kTapeMagic.size());
  std::map<Track, std::string> tracks;
  while (!file.empty()) {
    const auto track = static_cast<Track>(file.front());
    file.remove_prefix(1);
    const auto size = take_number(file);
    if (!size || *size < 0) break;
    const auto bytes = file.substr(0, static_cast<std::size_t>(*size));
    tracks[track] += bytes;
    file.remove_prefix(bytes.size());
  }
  return tracks;
}

}  // namespace call::record
