// Digests and message authentication codes (OpenSSL behind them). Pure and thread-safe. Results are
// raw bytes unless the name says hex.
#pragma once

#include <string>
#include <string_view>

namespace call::crypto {

std::string hmac_sha1(std::string_view key, std::string_view data);    ///< 20 bytes, RFC 2104
std::string hmac_sha256(std::string_view key, std::string_view data);  ///< 32 bytes, RFC 2104
std::string sha1(std::string_view data);        ///< 20 bytes; protocol use only
std::string sha256(std::string_view data);      ///< 32 bytes
std::string sha256_hex(std::string_view data);  ///< 64 lower-case digits
std::string to_hex(std::string_view bytes);     ///< lower case

/// Compares secrets in a time that depends on the lengths only.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace call::crypto
