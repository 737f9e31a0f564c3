#include "core/crypto/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <climits>

#include "core/base/assert.hpp"

namespace call::crypto {
namespace {

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// OpenSSL fails here only when it runs out of memory or was built without the digest: neither can
// be handled by a caller, and a wrong digest must never get out.
std::string hmac(const EVP_MD* digest, std::string_view key, std::string_view data) {
  CALL_ASSERT(key.size() <= INT_MAX);
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const unsigned char none = 0;  // OpenSSL reads a null key as "keep the last one"
  CALL_ASSERT(HMAC(digest, key.empty() ? &none : as_bytes(key), static_cast<int>(key.size()),
                   as_bytes(data), data.size(), out, &size) != nullptr);
  return std::string(reinterpret_cast<const char*>(out), size);
}

std::string digest(const EVP_MD* type, std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CALL_ASSERT(EVP_Digest(data.data(), data.size(), out, &size, type, nullptr) == 1);
  return std::string(reinterpret_cast<const char*>(out), size);
}

}  // namespace

std::string hmac_sha1(std::string_view key, std::string_view data) {
  return hmac(EVP_sha1(), key, data);
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  return hmac(EVP_sha256(), key, data);
}

std::string sha1(std::string_view data) {
  return digest(EVP_sha1(), data);
}

std::string sha256(std::string_view data) {
  return digest(EVP_sha256(), data);
}

std::string sha256_hex(std::string_view data) {
  return to_hex(sha256(data));
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace call::crypto
