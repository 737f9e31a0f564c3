// Just enough of JSON for the message that comes fifty times a second a call: an object of strings,
// numbers and one level of such objects, without escapes. Anything else is "not flat", and the
// caller takes the full parser.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace call::media {

/// The members that were asked for, as they stand in the text (a string without its quotes).
/// Borrowed from it.
struct FlatMedia {
  std::string_view event;
  std::string_view track;
  std::string_view timestamp;
  std::string_view payload;
  std::string_view stream_sid;
};

/// nullopt: not flat, or not JSON. `stream_member`: the name of the member that names the stream.
/// Pure; no allocation.
std::optional<FlatMedia> read_flat_media(std::string_view text,
                                         std::string_view stream_member = "streamSid");

}  // namespace call::media
