#include "core/log/line.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "core/base/strings.hpp"

namespace call::log {
namespace {

constexpr std::size_t kMessageBytesMax = 16U << 10;

// Syslog priorities, which journald reads from a "<N>" prefix (sd-daemon(3)).
int priority(Level level) {
  switch (level) {
    case Level::error:
      return 3;
    case Level::warn:
      return 4;
    case Level::info:
      return 6;
    case Level::debug:
    case Level::trace:
    case Level::off:
      break;
  }
  return 7;
}

std::string_view colour(Level level) {
  switch (level) {
    case Level::error:
      return "\x1b[31m";
    case Level::warn:
      return "\x1b[33m";
    case Level::info:
      return "\x1b[32m";
    case Level::debug:
    case Level::trace:
    case Level::off:
      break;
  }
  return "\x1b[2m";
}

/// The character at the front, of three bytes, when it is one that breaks lines (U+2028, U+2029) or turns the direction
/// of what follows (U+202A to U+202E, U+2066 to U+2069); else 0.
unsigned line_breaker(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const auto third = static_cast<unsigned char>(text[2]);
  const unsigned c = 0x2000U | (second & 0x3FU) << 6U | (third & 0x3FU);
  return (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ? c : 0;
}

// C0, DEL and C1 (U+0080 to U+009F, two bytes in UTF-8) drive terminals; everything else is text.
void append_escaped(std::string& out, std::string_view text, bool quoted) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (quoted && (byte == '"' || byte == '\\')) {
      out += '\\';
      out += text[i];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else if (c1) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(text[++i]));
    } else if (const auto breaker = line_breaker(text.substr(i)); breaker != 0) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", breaker);
      i += 2;
    } else {
      out += text[i];
    }
  }
}

std::string clean(std::string_view text) {
  std::string valid = to_valid_utf8(truncate_utf8(text, kMessageBytesMax));
  if (text.size() > kMessageBytesMax) valid += "...";
  return valid;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, clean(text), true);
  out += '"';
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"=\\\t\r\n") != std::string_view::npos;
}

std::string json_line(const Line& line) {
  std::string out;
  fmt::format_to(std::back_inserter(out), R"({{"time":"{}","level":"{}","module":"{}","msg":)",
                 to_rfc3339(line.time, 3), to_string(line.level), line.module);
  append_json_string(out, line.message);
  if (line.fields != nullptr) {
    for (const Field& field : *line.fields) {
      fmt::format_to(std::back_inserter(out), R"(,"{}":)", field.key);
      if (field.bare) {
        out += field.value;
      } else {
        append_json_string(out, field.value);
      }
    }
  }
  out += "}\n";
  return out;
}

void append_text_body(std::string& out, const Line& line) {
  append_escaped(out, clean(line.message), false);
  if (line.fields != nullptr) {
    for (const Field& field : *line.fields) {
      fmt::format_to(std::back_inserter(out), " {}=", field.key);
      const bool quoted = !field.bare && needs_quotes(field.value);
      if (quoted) out += '"';
      append_escaped(out, clean(field.value), quoted);
      if (quoted) out += '"';
    }
  }
  out += '\n';
}

// systemd sets JOURNAL_STREAM to the device and inode of the stream it gave us (systemd.exec(5)).
bool is_journal(int fd) {
  const char* announced = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (announced == nullptr || ::fstat(fd, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == announced;
}

}  // namespace

std::string format_line(LineStyle style, const Line& line) {
  switch (style) {
    case LineStyle::json:
      return json_line(line);
    case LineStyle::journal_json:
      return fmt::format("<{}>", priority(line.level)) + json_line(line);
    case LineStyle::journal_text:
    case LineStyle::text:
    case LineStyle::coloured:
      break;
  }
  std::string out;
  if (style == LineStyle::journal_text) {
    fmt::format_to(std::back_inserter(out), "<{}>{}: ", priority(line.level), line.module);
  } else {
    const bool in_colour = style == LineStyle::coloured;
    fmt::format_to(std::back_inserter(out), "{} {}{:<5}{} {}: ", to_rfc3339(line.time, 3),
                   in_colour ? colour(line.level) : "", to_string(line.level),
                   in_colour ? "\x1b[0m" : "", line.module);
  }
  append_text_body(out, line);
  return out;
}

LineStyle choose_style(Format format, int fd) {
  const bool journal = is_journal(fd);
  if (format == Format::json) return journal ? LineStyle::journal_json : LineStyle::json;
  if (journal) return LineStyle::journal_text;
  const char* no_colour = std::getenv("NO_COLOR");  // no-color.org: set and not empty
  const bool colours_refused = no_colour != nullptr && *no_colour != '\0';
  return ::isatty(fd) == 1 && !colours_refused ? LineStyle::coloured : LineStyle::text;
}

}  // namespace call::log
