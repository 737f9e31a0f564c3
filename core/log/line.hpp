// Inside core/log: how one line looks. Pure; nothing outside this module includes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/log/log.hpp"

namespace call::log {

enum class LineStyle { text, coloured, journal_text, json, journal_json };

struct Line {
  WallTime time;
  Level level;
  std::string_view module;
  std::string_view message;
  const std::vector<Field>* fields;  // may be null
};

/// One line with its newline. Control characters and invalid UTF-8 from outside never reach the
/// output: they come out escaped, so that a peer cannot forge lines or drive the terminal. Messages
/// are cut at 16 KiB.
std::string format_line(LineStyle style, const Line& line);

/// The style for a file descriptor: looks at JOURNAL_STREAM, isatty() and NO_COLOR.
LineStyle choose_style(Format format, int fd);

}  // namespace call::log
