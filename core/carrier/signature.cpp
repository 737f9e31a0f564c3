#include "core/carrier/signature.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/crypto/base64.hpp"
#include "core/crypto/hash.hpp"

namespace call::carrier {
namespace {

/// The URL cut around its host and port, all parts as written: a signature covers the exact bytes.
struct Cut {
  std::string_view before;  ///< up to and with the host
  std::string_view port;    ///< ":443" or empty
  std::string_view after;
  std::string_view standard_port;  ///< of the scheme; empty when unknown
};

Cut cut_at_port(std::string_view url) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return {url, {}, {}, {}};
  const auto scheme = url.substr(0, scheme_end);
  const auto authority = scheme_end + 3;
  const auto end = std::min(url.find_first_of("/?#", authority), url.size());
  const auto at = url.substr(0, end).rfind('@');
  const auto host = at == std::string_view::npos || at < authority ? authority : at + 1;
  const auto colon = url.substr(0, end).rfind(':');
  const bool has_port =
      colon != std::string_view::npos && colon >= host && url.find(']', colon) >= end;
  const auto port_at = has_port ? colon : end;
  Cut cut{url.substr(0, port_at), url.substr(port_at, end - port_at), url.substr(end), {}};
  if (scheme == "https" || scheme == "wss") cut.standard_port = ":443";
  if (scheme == "http" || scheme == "ws") cut.standard_port = ":80";
  return cut;
}

/// The URL as given, and its twin with the standard port added or taken away, if there is one.
std::vector<std::string> port_variants(std::string_view url) {
  std::vector<std::string> variants{std::string(url)};
  const auto cut = cut_at_port(url);
  if (cut.standard_port.empty()) return variants;
  if (cut.port.empty())
    variants.push_back(std::string(cut.before) + std::string(cut.standard_port) +
                       std::string(cut.after));
  else if (cut.port == cut.standard_port)
    variants.push_back(std::string(cut.before) + std::string(cut.after));
  return variants;
}

bool matches(const SignatureKeys& keys, std::string_view url, const Params& params,
             std::string_view signature) {
  bool found = false;
  for (const auto& variant : port_variants(url)) {
    found |= crypto::constant_time_equal(sign(keys.primary, variant, params), signature);
    if (!keys.secondary.empty())
      found |= crypto::constant_time_equal(sign(keys.secondary, variant, params), signature);
  }
  return found;
}

constexpr std::string_view kBodyHash = "bodySHA256=";

std::optional<std::string_view> body_hash_in(std::string_view url) {
  const auto query = url.find('?');
  if (query == std::string_view::npos) return std::nullopt;
  for (auto at = query; at != std::string_view::npos; at = url.find('&', at + 1)) {
    const auto parameter = url.substr(at + 1, url.find('&', at + 1) - at - 1);
    if (parameter.starts_with(kBodyHash)) return parameter.substr(kBodyHash.size());
  }
  return std::nullopt;
}

}  // namespace

std::string sign(const Secret& token, std::string_view url, const Params& params) {
  std::map<std::string_view, std::set<std::string_view>> sorted;
  for (const auto& [name, value] : params) sorted[name].insert(value);
  std::string text(url);
  for (const auto& [name, values] : sorted) {
    for (const auto value : values) {
      text += name;
      text += value;
    }
  }
  return crypto::base64_encode(crypto::hmac_sha1(token.reveal(), text));
}

std::string with_body_hash(std::string_view url, std::string_view body) {
  std::string out(url);
  out.push_back(url.find('?') == std::string_view::npos ? '?' : '&');
  return out.append(kBodyHash).append(crypto::sha256_hex(body));
}

bool validate(const SignatureKeys& keys, std::string_view url, const Params& params,
              std::string_view signature) {
  return matches(keys, url, params, signature);
}

bool validate_json(const SignatureKeys& keys, std::string_view url, std::string_view body,
                   std::string_view signature) {
  const auto hash = body_hash_in(url);
  return hash && crypto::constant_time_equal(*hash, crypto::sha256_hex(body)) &&
         matches(keys, url, {}, signature);
}

bool validate_upgrade(const SignatureKeys& keys, std::string_view url, std::string_view signature) {
  std::string other(url);
  if (other.ends_with('/'))
    other.pop_back();
  else
    other.push_back('/');
  const bool as_written = matches(keys, url, {}, signature);
  return matches(keys, other, {}, signature) || as_written;
}

}  // namespace call::carrier
