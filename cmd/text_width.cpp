// A small width table instead of wcwidth(3): the answer must not depend on the locale that cron or systemd gives.
#include "cmd/text_width.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/base/strings.hpp"

namespace call::cmd {
namespace {

struct Range {
  char32_t first, last;
};

// Unicode 15: general category Mn/Me/Cf of the scripts that names are written in.
constexpr std::array kZeroWidth = {
    Range{0x0300, 0x036f}, Range{0x0483, 0x0489}, Range{0x0591, 0x05bd},   Range{0x05bf, 0x05bf},
    Range{0x05c1, 0x05c2}, Range{0x05c4, 0x05c5}, Range{0x05c7, 0x05c7},   Range{0x0610, 0x061a},
    Range{0x064b, 0x065f}, Range{0x0670, 0x0670}, Range{0x06d6, 0x06dc},   Range{0x093c, 0x093c},
    Range{0x0941, 0x0948}, Range{0x094d, 0x094d}, Range{0x0e31, 0x0e31},   Range{0x0e34, 0x0e3a},
    Range{0x0e47, 0x0e4e}, Range{0x1ab0, 0x1aff}, Range{0x1dc0, 0x1dff},   Range{0x200b, 0x200f},
    Range{0x202a, 0x202e}, Range{0x2060, 0x206f}, Range{0x20d0, 0x20ff},   Range{0xfe00, 0xfe0f},
    Range{0xfe20, 0xfe2f}, Range{0xfeff, 0xfeff}, Range{0x1f3fb, 0x1f3ff}, Range{0xe0100, 0xe01ef}};

// East Asian Width W or F, and emoji presentation.
constexpr std::array kDoubleWidth = {
    Range{0x1100, 0x115f},   Range{0x231a, 0x231b},   Range{0x23e9, 0x23ec},
    Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x26a1, 0x26a1},
    Range{0x26bd, 0x26be},   Range{0x2705, 0x2705},   Range{0x270a, 0x270b},
    Range{0x2728, 0x2728},   Range{0x274c, 0x274c},   Range{0x2753, 0x2755},
    Range{0x2795, 0x2797},   Range{0x2b50, 0x2b50},   Range{0x2e80, 0x303e},
    Range{0x3041, 0x33ff},   Range{0x3400, 0x4dbf},   Range{0x4e00, 0x9fff},
    Range{0xa000, 0xa4cf},   Range{0xac00, 0xd7a3},   Range{0xf900, 0xfaff},
    Range{0xfe30, 0xfe6f},   Range{0xff00, 0xff60},   Range{0xffe0, 0xffe6},
    Range{0x1f1e6, 0x1f1ff}, Range{0x1f300, 0x1f3fa}, Range{0x1f400, 0x1f64f},
    Range{0x1f680, 0x1f6ff}, Range{0x1f900, 0x1f9ff}, Range{0x1fa70, 0x1faff},
    Range{0x20000, 0x3fffd}};

constexpr std::array kRightToLeft = {Range{0x0590, 0x08ff}, Range{0xfb1d, 0xfdff},
                                     Range{0xfe70, 0xfefc}, Range{0x10800, 0x10fff},
                                     Range{0x1e800, 0x1efff}};

template <std::size_t N>
bool in(const std::array<Range, N>& ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

/// The code point at the front and its length in bytes; an invalid byte is U+FFFD of length 1.
std::pair<char32_t, std::size_t> decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {0xfffd, 1};
  char32_t c = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0xfffd, 1};
    c = (c << 6) | (byte(i) & 0x3fU);
  }
  return {c, length};
}

std::size_t width_of(char32_t c) {
  if (in(kZeroWidth, c)) return 0;
  return in(kDoubleWidth, c) ? 2 : 1;
}

/// Line and paragraph separator, and what turns the direction of the text behind it.
bool breaks_or_turns(char32_t c) {
  return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [c, length] = decode(text);
    width += width_of(c);
    text.remove_prefix(length);
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const auto [c, length] = decode(text);
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if (breaks_or_turns(c)) {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (c == 0xfffd && length == 1) {
      safe += "\xef\xbf\xbd";
    } else {
      safe += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return safe;
}

std::string visible_controls(std::string_view json_text) {
  std::string safe;
  safe.reserve(json_text.size());
  while (!json_text.empty()) {
    const auto [c, length] = decode(json_text);
    if ((c >= 0x7f && c < 0xa0) || breaks_or_turns(c)) {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      safe += json_text.substr(0, length);
    }
    json_text.remove_prefix(length);
  }
  return safe;
}

std::vector<std::string> wrap(std::string_view text, std::size_t columns) {
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  const auto new_line = [&] {
    lines.emplace_back();
    used = 0;
  };
  for (auto word : split(text, ' ')) {
    if (used > 0 && used + 1 + display_width(word) > columns) {
      new_line();
    } else if (used > 0) {
      lines.back() += ' ';
      ++used;
    }
    while (!word.empty()) {
      const auto [c, length] = decode(word);
      if (used > 0 && used + width_of(c) > columns) new_line();
      lines.back() += word.substr(0, length);
      used += width_of(c);
      word.remove_prefix(length);
    }
  }
  return lines;
}

std::string fit(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::string cut;
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [c, length] = decode(text);
    if (width + width_of(c) > columns - 1) break;
    width += width_of(c);
    cut += text.substr(0, length);
    text.remove_prefix(length);
  }
  return cut + "…";
}

bool has_right_to_left(std::string_view text) {
  while (!text.empty()) {
    const auto [c, length] = decode(text);
    if (in(kRightToLeft, c)) return true;
    text.remove_prefix(length);
  }
  return false;
}

}  // namespace call::cmd
