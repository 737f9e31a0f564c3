#include "core/net/form.hpp"

#include "core/base/strings.hpp"

namespace call::net {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

void append_escaped(std::string& out, char c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string encode(std::string_view text, bool space_is_plus) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else if (c == ' ' && space_is_plus) {
      out += '+';
    } else {
      append_escaped(out, c);
    }
  }
  return out;
}

}  // namespace

std::string percent_encode(std::string_view text) {
  return encode(text, false);
}

std::optional<std::string> percent_decode(std::string_view text) {
  return decode(text, false);
}

std::string encode_form(const Params& params) {
  std::string out;
  for (const auto& [name, value] : params) {
    if (!out.empty()) out += '&';
    out += encode(name, true) + '=' + encode(value, true);
  }
  return out;
}

Result<Params> decode_form(std::string_view text, std::size_t max_params) {
  Params params;
  for (const std::string_view pair : split(text, '&')) {
    if (pair.empty()) continue;
    if (params.size() == max_params) {
      return Error{Errc::limit, "the form has more than " + std::to_string(max_params) + " fields"};
    }
    const std::size_t equals = pair.find('=');
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(equals == pair.npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) {
      return Error{Errc::invalid_argument,
                   "the form has a % that is not followed by two hex digits"};
    }
    params.emplace_back(std::move(*name), std::move(*value));
  }
  return params;
}

const std::string* find_param(const Params& params, std::string_view name) {
  for (const auto& [own_name, value] : params) {
    if (own_name == name) return &value;
  }
  return nullptr;
}

std::string_view param_or_empty(const Params& params, std::string_view name) {
  const auto* value = find_param(params, name);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

}  // namespace call::net
