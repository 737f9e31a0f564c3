// Base64 (RFC 4648), strict: padding and alphabet must be exact, and no white space is skipped.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace call::crypto {

std::string base64_encode(std::string_view bytes);
/// Appends to `out`: lets a sender of many small messages reuse one buffer.
void base64_append(std::string& out, std::string_view bytes);
/// nullopt for a wrong length, character or padding, and for non-zero bits behind the last byte.
std::optional<std::string> base64_decode(std::string_view text);
/// As above into a reused buffer; false leaves `out` unspecified.
bool base64_decode_into(std::string& out, std::string_view text);

/// The URL and file name alphabet ("-" and "_"), without padding.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace call::crypto
