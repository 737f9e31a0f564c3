#include "core/carrier/xml.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/base/strings.hpp"

namespace call::carrier::xml {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':';
}

/// What XML 1.0 can carry at all.
bool is_xml_char(std::uint32_t c) {
  return c == 0x9 || c == 0xA || c == 0xD || (c >= 0x20 && c <= 0xD7FF) ||
         (c >= 0xE000 && c <= 0xFFFD) || (c >= 0x10000 && c <= 0x10FFFF);
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

/// The character that "amp" or "#x41" (what stands between & and ;) means.
std::optional<std::uint32_t> decode_reference(std::string_view name) {
  if (name == "amp") return '&';
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  if (!name.starts_with('#')) return std::nullopt;
  name.remove_prefix(1);
  const int base = name.starts_with('x') ? 16 : 10;
  if (base == 16) name.remove_prefix(1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value, base);
  if (name.empty() || error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return is_xml_char(value) ? std::optional(value) : std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view document) : doc_(document) {}

  Result<Element> document() {
    if (!doc_.starts_with('<')) return fail("the document must start with '<'");
    if (doc_.starts_with("<?xml")) {
      const auto end = doc_.find("?>");
      if (end == std::string_view::npos) return fail("the XML declaration does not end");
      at_ = end + 2;
    }
    CALL_CHECK(skip_between_elements());
    CALL_TRY(auto root, element(0));
    CALL_CHECK(skip_between_elements());
    if (at_ != doc_.size()) return fail("text after the root element");
    return root;
  }

 private:
  Error fail(std::string_view what) const {
    return {Errc::invalid_argument,
            "XML: " + std::string(what) + " at byte " + std::to_string(at_)};
  }
  bool looking_at(std::string_view text) const { return doc_.substr(at_).starts_with(text); }
  void skip_space() {
    while (at_ < doc_.size() && is_space(doc_[at_])) ++at_;
  }

  Status skip_comment() {
    const auto end = doc_.find("-->", at_ + 4);
    if (end == std::string_view::npos) return fail("a comment does not end");
    at_ = end + 3;
    return {};
  }

  Status skip_between_elements() {
    for (skip_space(); looking_at("<!--"); skip_space()) CALL_CHECK(skip_comment());
    return {};
  }

  Result<std::string> name() {
    const auto begin = at_;
    while (at_ < doc_.size() && is_name_char(doc_[at_])) ++at_;
    if (at_ == begin) return fail("a name is missing");
    return std::string(doc_.substr(begin, at_ - begin));
  }

  /// Copies one character or reference to `out`.
  Status character(std::string& out) {
    const char c = doc_[at_];
    if (c != '&') {
      if (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) return fail("a control character");
      out.push_back(c);
      ++at_;
      return {};
    }
    const auto end = doc_.substr(at_, 12).find(';');
    if (end == std::string_view::npos) return fail("'&' that starts no reference");
    const auto value = decode_reference(doc_.substr(at_ + 1, end - 1));
    if (!value) return fail("unknown reference " + std::string(doc_.substr(at_, end + 1)));
    append_utf8(out, *value);
    at_ += end + 1;
    return {};
  }

  Status attribute(Element& element) {
    if (element.attributes.size() == kMaxAttributes)
      return Error{Errc::limit, "XML: more than " + std::to_string(kMaxAttributes) +
                                    " attributes in <" + element.name + ">"};
    CALL_TRY(auto key, name());
    const auto same = [&key](const auto& other) { return other.first == key; };
    if (std::any_of(element.attributes.begin(), element.attributes.end(), same))
      return fail("attribute " + key + " twice");
    skip_space();
    if (!looking_at("=")) return fail("'=' is missing");
    ++at_;
    skip_space();
    if (!looking_at("\"") && !looking_at("'")) return fail("an attribute value needs quotes");
    const char quote = doc_[at_++];
    std::string value;
    while (at_ < doc_.size() && doc_[at_] != quote) {
      if (doc_[at_] == '<') return fail("'<' inside an attribute value");
      CALL_CHECK(character(value));
    }
    if (at_ == doc_.size()) return fail("an attribute value does not end");
    ++at_;
    element.attributes.emplace_back(std::move(key), std::move(value));
    return {};
  }

  Result<Element> element(std::size_t depth) {
    if (depth == kMaxDepth) return Error{Errc::limit, "XML: nested too deeply"};
    if (++elements_ > kMaxElements) return Error{Errc::limit, "XML: too many elements"};
    if (!looking_at("<")) return fail("'<' is missing");
    ++at_;
    Element out;
    CALL_TRY(out.name, name());
    for (;;) {
      const auto before = at_;
      skip_space();
      if (looking_at("/>")) {
        at_ += 2;
        return out;
      }
      if (looking_at(">")) break;
      if (at_ == before || at_ == doc_.size()) return fail("the tag <" + out.name + " is broken");
      CALL_CHECK(attribute(out));
    }
    ++at_;
    CALL_CHECK(content(out, depth));
    return out;
  }

  Status content(Element& parent, std::size_t depth) {
    while (at_ < doc_.size()) {
      if (doc_[at_] != '<') {
        CALL_CHECK(character(parent.text));
      } else if (looking_at("<!--")) {
        CALL_CHECK(skip_comment());
      } else if (looking_at("</")) {
        at_ += 2;
        CALL_TRY(const auto closing, name());
        skip_space();
        if (closing != parent.name || !looking_at(">"))
          return fail("<" + parent.name + "> is not closed properly");
        ++at_;
        return {};
      } else if (looking_at("<!") || looking_at("<?")) {
        return fail("declarations and processing instructions are not accepted");
      } else {
        CALL_TRY(auto child, element(depth + 1));
        parent.children.push_back(std::move(child));
      }
    }
    return fail("<" + parent.name + "> is never closed");
  }

  std::string_view doc_;
  std::size_t at_ = 0;
  std::size_t elements_ = 0;
};

}  // namespace

Result<Element> parse(std::string_view document) {
  if (!is_valid_utf8(document)) return Error{Errc::invalid_argument, "XML: not valid UTF-8"};
  return Parser(document).document();
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      case '\t':
      case '\n':
      case '\r':  // a reader would turn these into blanks inside an attribute
        out += "&#" + std::to_string(int{c}) + ";";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) out.push_back(c);
    }
  }
}

void append_attribute(std::string& out, std::string_view name, std::string_view value) {
  out.push_back(' ');
  out += name;
  out += "=\"";
  append_escaped(out, value);
  out.push_back('"');
}

}  // namespace call::carrier::xml
