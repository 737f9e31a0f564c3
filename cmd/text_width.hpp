// How wide a text is on a terminal, and how to show text from outside without harm.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace call::cmd {

/// Columns that a UTF-8 text takes on a terminal: combining marks 0, wide East Asian and emoji 2. Invalid bytes 1.
std::size_t display_width(std::string_view text);

/// The text with control characters (escape sequences, line breaks, bidi overrides) made visible, so that a
/// contact's name can neither move the cursor nor turn a table around.
std::string printable(std::string_view text);

/// JSON text with the controls that JSON lets through (C1, bidi) as \uXXXX: the same document, harmless to a terminal.
std::string visible_controls(std::string_view json_text);

/// The words of a text in lines of at most `columns` columns, at least one line. A longer word is broken.
std::vector<std::string> wrap(std::string_view text, std::size_t columns);

/// At most `columns` columns; a cut is marked with "…".
std::string fit(std::string_view text, std::size_t columns);

/// True when the text holds letters that are written from right to left (Hebrew, Arabic ...).
bool has_right_to_left(std::string_view text);

}  // namespace call::cmd
