#include "core/report/html.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.hpp"

namespace call::report {

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : to_valid_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f;
        out += control ? std::string_view("\xef\xbf\xbd") : std::string_view(&c, 1);
      }
    }
  }
  return out;
}

std::string isolated(std::string_view text) {
  return "<bdi>" + escape(text) + "</bdi>";
}

std::string clock_text(std::int64_t ms) {
  ms = std::max<std::int64_t>(ms, 0);
  return fmt::format("{}:{:02}.{}", ms / 60000, ms / 1000 % 60, ms / 100 % 10);
}

std::string percent(double part, double whole) {
  return fmt::format("{:.3f}%", whole <= 0 ? 0 : std::clamp(100 * part / whole, 0.0, 100.0));
}

}  // namespace call::report
