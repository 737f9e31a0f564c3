// The schema for people: error texts, the terminal, the manual page, and a configuration written
// back as TOML.
#include <fmt/format.h>

#include "core/base/strings.hpp"
#include "core/config/schema.hpp"
#include "core/config/value.hpp"

namespace call::config {
namespace {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::text:
      return "string";
    case Type::integer:
      return "integer";
    case Type::number:
      return "number";
    case Type::boolean:
      return "boolean";
    case Type::duration:
      return "duration";
    case Type::size:
      return "size";
    case Type::list:
      return "list";
    case Type::table:
      return "table";
    case Type::path:
      return "path";
    case Type::url:
      return "URL";
    case Type::listen:
      return "address";
    case Type::choice:
      return "choice";
  }
  return "";
}

std::string range(const Key& key) {
  return key.max == 0 ? "" : fmt::format(" from {} to {}", key.min, key.max);
}

std::string alternatives(std::string_view choices, std::string_view suffix) {
  std::vector<std::string> all;
  for (const auto choice : split(choices, '|')) all.push_back(fmt::format("{}{}", choice, suffix));
  return join(all, ", ");
}

std::string shown_default(const Key& key) {
  return key.fallback.empty() ? std::string("none") : std::string(key.fallback);
}

// A line of mdoc that begins with a dot or an apostrophe would be a request; a backslash begins an
// escape.
std::string mdoc_text(std::string_view text) {
  std::string out = replace_all(std::string(text), "\\", "\\e");
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return replace_all(std::move(out), ". ", ".\n");  // new sentence, new line
}

// One word of a macro line: quotes keep it whole, \& keeps mdoc from reading punctuation.
std::string mdoc_word(std::string_view text) {
  return fmt::format("\"\\&{}\"", replace_all(std::string(text), "\"", "\\(dq"));
}

std::string wrap(std::string_view text, std::size_t indent) {
  constexpr std::size_t kWidth = 79;
  std::string out(indent, ' ');
  std::size_t column = indent;
  for (const auto word : split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out + '\n';
}

}  // namespace

std::string describe_allowed(const Key& key) {
  switch (key.type) {
    case Type::text:
      return key.min > 0 ? "a string that is not empty" : "a string";
    case Type::integer:
      return "a whole number" + range(key);
    case Type::number:
      return "a number" + range(key);
    case Type::boolean:
      return "true or false";
    case Type::duration:
      return fmt::format("a duration such as 500ms, 30s, 5m, 2h or 1d, from {} to {} seconds",
                         key.min, key.max);
    case Type::size:
      return fmt::format("a size in bytes such as 65536, 64K or 16M{}", range(key));
    case Type::list:
      return fmt::format("a list of{} to {} strings", key.min > 0 ? " 1" : " 0", key.max);
    case Type::table:
      return "a table of names and strings";
    case Type::path:
      return "a path";
    case Type::url:
      return "a URL that begins with " + alternatives(key.choices, "://");
    case Type::listen:
      return "an address and port such as 127.0.0.1:8080 or [::1]:8080";
    case Type::choice:
      return "one of " + alternatives(key.choices, "");
  }
  return "";
}

std::string render_mdoc() {
  std::string out;
  std::string_view section;
  for (const Key& key : schema()) {
    if (key.section != section) {
      if (!section.empty()) out += ".El\n";
      section = key.section;
      fmt::format_to(std::back_inserter(out), ".Ss [{}]\n{}\n.Bl -tag -width Ds\n", section,
                     mdoc_text(section_help(section)));
    }
    fmt::format_to(std::back_inserter(out), ".It Ic {} Pq {}\n{}\n", key.name, type_name(key.type),
                   mdoc_text(key.help));
    if (key.type != Type::text && key.type != Type::path && key.type != Type::boolean) {
      fmt::format_to(std::back_inserter(out), "It must be {}.\n", describe_allowed(key));
    }
    if (!key.fallback.empty()) {
      fmt::format_to(std::back_inserter(out), "Default:\n.Ql {} .\n", mdoc_word(key.fallback));
    }
    if (!key.env_alias.empty()) {
      fmt::format_to(std::back_inserter(out), "Also set by\n.Ev {} .\n", key.env_alias);
    }
    if (key.reloadable) out += "A change takes effect at\n.Dv SIGHUP .\n";
  }
  return out + ".El\n";
}

std::string render_help() {
  std::string out;
  std::string_view section;
  for (const Key& key : schema()) {
    if (key.section != section) {
      section = key.section;
      fmt::format_to(std::back_inserter(out), "{}[{}]  {}\n", out.empty() ? "" : "\n", section,
                     section_help(section));
    }
    fmt::format_to(std::back_inserter(out), "  {} ({}, default {})\n", key.name,
                   type_name(key.type), shown_default(key));
    out += wrap(key.help, 6);
  }
  return out;
}

std::string render_toml(const Config& config, bool masked) {
  Config copy = config;
  std::string out;
  std::string_view section;
  for (const Key& key : schema()) {
    if (key.section != section) {
      section = key.section;
      fmt::format_to(std::back_inserter(out), "{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    fmt::format_to(std::back_inserter(out), "{} = {}\n", key.name, format_toml(key, copy, masked));
  }
  return out;
}

}  // namespace call::config
