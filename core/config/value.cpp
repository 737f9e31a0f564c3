#include "core/config/value.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"

namespace call::config {
namespace {

using Kind = RawValue::Kind;

bool within(const Key& key, double value) {
  return key.max == 0 || (value >= key.min && value <= key.max);
}

bool is_choice(std::string_view choices, std::string_view text) {
  const auto all = split(choices, '|');
  return std::find(all.begin(), all.end(), text) != all.end();
}

bool has_scheme(std::string_view schemes, std::string_view text) {
  const auto colon = text.find("://");
  return colon != std::string_view::npos && is_choice(schemes, text.substr(0, colon)) &&
         text.size() > colon + 3 && text.find_first_of(" \t\r\n") == std::string_view::npos;
}

std::optional<bool> parse_bool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view part : split(text, ',')) {
    if (!trim(part).empty()) items.emplace_back(trim(part));
  }
  return items;
}

// "name=value,name=value"; nullopt when a part has no name or no value.
std::optional<std::map<std::string, std::string>> split_table(std::string_view text) {
  std::map<std::string, std::string> entries;
  for (const auto& item : split_list(text)) {
    const auto equals = item.find('=');
    if (equals == std::string::npos) return std::nullopt;
    const auto name = trim(std::string_view(item).substr(0, equals));
    const auto value = trim(std::string_view(item).substr(equals + 1));
    if (name.empty() || value.empty()) return std::nullopt;
    entries.emplace(name, value);
  }
  return entries;
}

// A TOML value must be written as its kind: port = "80" is a mistake that should not pass by luck.
bool kind_fits(Type type, Kind kind) {
  if (kind == Kind::plain) return true;
  switch (type) {
    case Type::integer:
      return kind == Kind::integer;
    case Type::number:
      return kind == Kind::integer || kind == Kind::floating;
    case Type::boolean:
      return kind == Kind::boolean;
    case Type::size:
      return kind == Kind::integer || kind == Kind::string;
    case Type::list:
      return kind == Kind::list;
    case Type::table:
      return kind == Kind::table;
    case Type::text:
    case Type::duration:
    case Type::path:
    case Type::url:
    case Type::listen:
    case Type::choice:
      break;
  }
  return kind == Kind::string;
}

bool text_fits(const Key& key, std::string_view text) {
  if (key.type == Type::choice) return is_choice(key.choices, text);
  if (key.type == Type::url) return has_scheme(key.choices, text);
  if (key.type == Type::text && key.min > 0 && trim(text).empty()) return false;
  return text.find('\0') == std::string_view::npos;
}

// Stores what was parsed, if it was, within the key's limits.
template <class T>
bool store(std::optional<T> parsed, T* slot, bool fits) {
  if (!parsed || !fits) return false;
  *slot = *std::move(parsed);
  return true;
}

struct Assign {
  const Key& key;
  const RawValue& value;

  bool operator()(std::string* slot) const {
    return store<std::string>(value.text, slot, text_fits(key, value.text));
  }
  bool operator()(std::int64_t* slot) const {
    const auto parsed =
        key.type == Type::size ? parse_size(value.text) : parse_number<std::int64_t>(value.text);
    return store(parsed, slot, parsed && within(key, static_cast<double>(*parsed)));
  }
  bool operator()(double* slot) const {
    const auto parsed = parse_number<double>(value.text);
    return store(parsed, slot, parsed && std::isfinite(*parsed) && within(key, *parsed));
  }
  bool operator()(bool* slot) const { return store(parse_bool(value.text), slot, true); }
  bool operator()(Millis* slot) const {
    const auto parsed = parse_duration(value.text);
    const auto seconds = std::chrono::duration<double>(parsed.value_or(Millis(0))).count();
    return store(parsed, slot, within(key, seconds));
  }
  bool operator()(std::vector<std::string>* slot) const {
    auto items = value.kind == Kind::list ? value.items : split_list(value.text);
    const bool fits = within(key, static_cast<double>(items.size()));
    return store<std::vector<std::string>>(std::move(items), slot, fits);
  }
  bool operator()(std::map<std::string, std::string>* slot) const {
    auto entries = value.kind == RawValue::Kind::table ? value.entries : split_table(value.text);
    return store<std::map<std::string, std::string>>(std::move(entries), slot, true);
  }
  bool operator()(Path* slot) const {
    return store<Path>(Path(value.text), slot, text_fits(key, value.text));
  }
  bool operator()(Listen* slot) const { return store(parse_listen(value.text), slot, true); }
  bool operator()(SecretFile* slot) const {
    return store<SecretFile>(SecretFile{value.text, key.full_name()}, slot,
                             text_fits(key, value.text));
  }
};

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string duration_text(Millis value) {
  const auto ms = value.count();
  if (ms % 1000 != 0 || ms == 0) return fmt::format("{}ms", ms);
  const auto s = ms / 1000;
  if (s % 3600 == 0) return fmt::format("{}h", s / 3600);
  if (s % 60 == 0) return fmt::format("{}m", s / 60);
  return fmt::format("{}s", s);
}

struct Format {
  bool masked;

  std::string operator()(const std::string* slot) const {
    return toml_string(masked ? mask_password(*slot) : *slot);
  }
  std::string operator()(const std::int64_t* slot) const { return fmt::to_string(*slot); }
  std::string operator()(const double* slot) const { return fmt::format("{}", *slot); }
  std::string operator()(const bool* slot) const { return *slot ? "true" : "false"; }
  std::string operator()(const Millis* slot) const { return toml_string(duration_text(*slot)); }
  std::string operator()(const std::vector<std::string>* slot) const {
    std::vector<std::string> items;
    for (const auto& item : *slot) items.push_back(toml_string(item));
    return "[" + join(items, ", ") + "]";
  }
  std::string operator()(const std::map<std::string, std::string>* slot) const {
    if (slot->empty()) return "{}";
    std::vector<std::string> items;
    for (const auto& [name, value] : *slot)
      items.push_back(fmt::format("{} = {}", toml_string(name), toml_string(value)));
    return "{ " + join(items, ", ") + " }";
  }
  std::string operator()(const Path* slot) const { return toml_string(slot->string()); }
  std::string operator()(const Listen* slot) const { return toml_string(slot->to_string()); }
  std::string operator()(const SecretFile* slot) const { return toml_string(slot->path.string()); }
};

}  // namespace

bool assign(const Key& key, const RawValue& value, Config& config) {
  return kind_fits(key.type, value.kind) && std::visit(Assign{key, value}, key.slot(config));
}

std::string format_toml(const Key& key, Config& config, bool masked) {
  return std::visit(Format{masked && key.secret}, key.slot(config));
}

std::optional<Millis> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    std::int64_t ms;
  };
  constexpr Unit kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  constexpr std::int64_t kCountMax = 100'000'000;  // keeps the product in range
  for (const auto& [suffix, ms] : kUnits) {
    if (!text.ends_with(suffix)) continue;
    const auto count = parse_number<std::int64_t>(text.substr(0, text.size() - suffix.size()));
    if (count && *count >= 0 && *count <= kCountMax) return Millis(*count * ms);
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  int shift = 0;
  if (text.ends_with('K')) shift = 10;
  if (text.ends_with('M')) shift = 20;
  if (text.ends_with('G')) shift = 30;
  if (shift > 0) text.remove_suffix(1);
  const auto count = parse_number<std::int64_t>(text);
  if (!count || *count < 0 || *count > (std::int64_t{1} << 62) >> shift) return std::nullopt;
  return *count << shift;
}

std::optional<Listen> parse_listen(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool bare_colon = !bracketed && host.find(':') != std::string_view::npos;
  if (!port || host.empty() || bare_colon || host.find(' ') != std::string_view::npos) {
    return std::nullopt;
  }
  return Listen{std::string(host), *port};
}

std::string Listen::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool Listen::is_loopback() const {
  const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "::1" || (numeric && host.starts_with("127."));
}

namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Where the value of a libpq parameter ends: at the quote that closes it, else before a blank that another parameter
/// ("word =") follows. A blank that none follows is a password's that was not quoted: libpq refuses it, we hide it.
std::size_t value_end(std::string_view text, std::size_t at) {
  const bool quoted = at < text.size() && text[at] == '\'';
  if (quoted) ++at;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (quoted && text[at] == '\'') {
      return at + 1;
    } else if (!quoted && is_space(text[at])) {
      auto word = at;
      while (word < text.size() && is_space(text[word])) ++word;
      auto end = word;
      while (end < text.size() && (text[end] == '_' || (text[end] >= 'a' && text[end] <= 'z')))
        ++end;
      const auto blank = end;
      while (end < text.size() && is_space(text[end])) ++end;
      if (blank > word && end < text.size() && text[end] == '=') return at;
    }
  }
  return text.size();
}

/// Each "password = value", by `end` of where the value starts.
template <class End>
void mask_parameters(std::string& text, const End& end) {
  constexpr std::string_view kWord = "password";
  for (auto word = text.find(kWord); word != std::string::npos; word = text.find(kWord, word + 1)) {
    auto at = word + kWord.size();
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size() || text[at] != '=') continue;
    ++at;
    while (at < text.size() && is_space(text[at])) ++at;
    text.replace(at, std::min(end(std::string_view(text), at), text.size()) - at, "***");
  }
}

}  // namespace

std::string mask_password(std::string_view url) {
  std::string out(url);
  const auto scheme = out.find("://");
  if (scheme == std::string::npos) {
    mask_parameters(out, value_end);
    return out;
  }
  // Up to the last @, whatever stands before it: a password with a / or an @ in it is not cut in two.
  const auto at = out.rfind('@');
  const auto colon = out.find(':', scheme + 3);
  if (at != std::string::npos && colon < at) out.replace(colon + 1, at - colon - 1, "***");
  mask_parameters(out,
                  [](std::string_view text, std::size_t from) { return text.find('&', from); });
  return out;
}

Status check_database_url(const std::string& url) {
  // What libpq itself says quotes pieces of the text, and one of them may be the password.
  const Error fault{
      Errc::invalid_argument,
      "database.url (not shown, it may hold a password) is not understood: it must be "
      "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, where everything in the password but "
      "letters, digits "
      "and -._~ is written as %XX, or libpq's host=... password='...'"};
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), nullptr), &PQconninfoFree);
  if (!options) return fault;
  const bool is_url = url.find("://") != std::string::npos;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view name = option->keyword;
    const std::string_view value = option->val == nullptr ? "" : option->val;
    // A password with a / in it ends up in these, and the rest of it in the next connection's error.
    if (name == "port" && value.find_first_not_of("0123456789,") != std::string_view::npos)
      return fault;
    const bool place = name == "host" || name == "dbname";
    if (is_url && place && value.find('@') != std::string_view::npos) return fault;
  }
  return {};
}

}  // namespace call::config
