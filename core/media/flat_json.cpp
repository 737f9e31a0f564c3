#include "core/media/flat_json.hpp"

namespace call::media {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  /// {"name":value,...}; `member` is called with each name and must consume the value.
  template <class Member>
  bool object(Member&& member) {
    if (!take('{')) return false;
    if (take('}')) return true;
    for (;;) {
      std::string_view name;
      if (!string(name) || !take(':') || !member(name)) return false;
      if (take('}')) return true;
      if (!take(',')) return false;
    }
  }

  /// A string without escapes, or a number or word as it stands.
  bool scalar(std::string_view& value) {
    skip_space();
    if (peek() == '"') return string(value);
    std::size_t length = 0;
    while (length < text_.size() && is_word(text_[length])) ++length;
    value = text_.substr(0, length);
    text_.remove_prefix(length);
    return length > 0;
  }

  bool at_object() {
    skip_space();
    return peek() == '{';
  }
  bool at_end() {
    skip_space();
    return text_.empty();
  }

 private:
  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.';
  }
  char peek() const { return text_.empty() ? '\0' : text_.front(); }
  void skip_space() {
    while (!text_.empty() &&
           (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t')) {
      text_.remove_prefix(1);
    }
  }
  bool take(char c) {
    skip_space();
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool string(std::string_view& value) {
    if (!take('"')) return false;
    const auto end = text_.find('"');
    if (end == std::string_view::npos) return false;
    value = text_.substr(0, end);
    if (value.find('\\') != std::string_view::npos) return false;
    text_.remove_prefix(end + 1);
    return true;
  }

  std::string_view text_;
};

bool read_media_object(Scanner& scanner, FlatMedia& media) {
  return scanner.object([&](std::string_view name) {
    std::string_view value;
    if (!scanner.scalar(value)) return false;
    if (name == "track") media.track = value;
    if (name == "timestamp") media.timestamp = value;
    if (name == "payload") media.payload = value;
    return true;
  });
}

}  // namespace

std::optional<FlatMedia> read_flat_media(std::string_view text, std::string_view stream_member) {
  Scanner scanner(text);
  FlatMedia media;
  const bool read = scanner.object([&](std::string_view name) {
    if (name == "media" && scanner.at_object()) return read_media_object(scanner, media);
    std::string_view value;
    if (!scanner.scalar(value)) return false;
    if (name == "event") media.event = value;
    if (name == stream_member) media.stream_sid = value;
    return true;
  });
  if (!read || !scanner.at_end() || media.event != "media") return std::nullopt;
  return media;
}

}  // namespace call::media
