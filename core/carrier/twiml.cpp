#include "core/carrier/twiml.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "core/base/strings.hpp"
#include "core/carrier/xml.hpp"

namespace call::carrier::twiml {
namespace {

class Writer {
 public:
  std::string document(const Response& response) {
    out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>";
    for (const auto& verb : response.verbs) std::visit(*this, verb);
    out_ += "</Response>";
    return std::move(out_);
  }

  void operator()(const Say& say) {
    out_ += "<Say";
    attribute("voice", say.voice);
    attribute("language", say.language);
    text_and_close("Say", say.text);
  }
  void operator()(const Play& play) {
    out_ += "<Play";
    attribute("digits", play.digits);
    text_and_close("Play", play.url);
  }
  void operator()(const Pause& pause) {
    out_ += "<Pause";
    if (pause.length_s != Pause{}.length_s) attribute("length", std::to_string(pause.length_s));
    out_ += "/>";
  }
  void operator()(const Hangup&) { out_ += "<Hangup/>"; }
  void operator()(const Redirect& redirect) {
    out_ += "<Redirect";
    attribute("method", redirect.method);
    text_and_close("Redirect", redirect.url);
  }
  void operator()(const Dial& dial) {
    out_ += "<Dial";
    attribute("callerId", dial.caller_id);
    attribute("action", dial.action);
    if (dial.timeout_s != Dial{}.timeout_s) attribute("timeout", std::to_string(dial.timeout_s));
    text_and_close("Dial", dial.number);
  }
  void operator()(const Connect& connect) {
    out_ += "<Connect";
    attribute("action", connect.action);
    attribute("method", connect.method);
    out_ += ">";
    stream(connect.stream);
    out_ += "</Connect>";
  }

 private:
  void stream(const Stream& stream) {
    out_ += "<Stream";
    attribute("url", stream.url);
    attribute("name", stream.name);
    attribute("track", stream.track);
    attribute("statusCallback", stream.status_callback);
    attribute("statusCallbackMethod", stream.status_callback_method);
    out_ += ">";
    for (const auto& [name, value] : stream.parameters) {
      out_ += "<Parameter";
      xml::append_attribute(out_, "name", name);
      xml::append_attribute(out_, "value", value);
      out_ += "/>";
    }
    out_ += "</Stream>";
  }
  void attribute(std::string_view name, std::string_view value) {
    if (!value.empty()) xml::append_attribute(out_, name, value);
  }
  void text_and_close(std::string_view element, std::string_view text) {
    out_ += ">";
    xml::append_escaped(out_, text);
    out_ += "</";
    out_ += element;
    out_ += ">";
  }

  std::string out_;
};

Error invalid(std::string text) {
  return {Errc::invalid_argument, "TwiML: " + std::move(text)};
}

std::string attribute(const xml::Element& element, std::string_view name) {
  for (const auto& [key, value] : element.attributes)
    if (key == name) return value;
  return {};
}

/// Refuses what we would silently ignore: a misspelt attribute must not become a call without its
/// callback.
Status allow_attributes(const xml::Element& element,
                        std::initializer_list<std::string_view> names) {
  for (const auto& [key, value] : element.attributes)
    if (std::find(names.begin(), names.end(), key) == names.end())
      return invalid("<" + element.name + "> has no attribute " + key);
  return {};
}

Status refuse_children(const xml::Element& element) {
  if (element.children.empty()) return {};
  return invalid("<" + element.children.front().name + "> inside <" + element.name + ">");
}

Result<int> seconds(const xml::Element& element, std::string_view name, int fallback) {
  const auto text = attribute(element, name);
  if (text.empty()) return fallback;
  const auto value = parse_number<int>(text);
  if (!value || *value < 0 || *value > 86400)
    return invalid("attribute " + std::string(name) + " of <" + element.name +
                   "> must be 0 to 86400 seconds");
  return *value;
}

Result<std::string> required(const xml::Element& element, std::string value,
                             std::string_view what) {
  if (value.empty()) return invalid("<" + element.name + "> needs " + std::string(what));
  return value;
}

Result<Verb> parse_say(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {"voice", "language", "loop"}));
  CALL_CHECK(refuse_children(e));
  return Verb(Say{std::string(trim(e.text)), attribute(e, "voice"), attribute(e, "language")});
}

Result<Verb> parse_play(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {"digits", "loop"}));
  CALL_CHECK(refuse_children(e));
  Play play{std::string(trim(e.text)), attribute(e, "digits")};
  if (play.url.empty() && play.digits.empty()) return invalid("<Play> needs a URL or digits");
  return Verb(std::move(play));
}

Result<Verb> parse_pause(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {"length"}));
  CALL_CHECK(refuse_children(e));
  CALL_TRY(const auto length, seconds(e, "length", Pause{}.length_s));
  return Verb(Pause{length});
}

Result<Verb> parse_hangup(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {}));
  CALL_CHECK(refuse_children(e));
  return Verb(Hangup{});
}

Result<Verb> parse_redirect(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {"method"}));
  CALL_CHECK(refuse_children(e));
  CALL_TRY(auto url, required(e, std::string(trim(e.text)), "a URL"));
  return Verb(Redirect{std::move(url), attribute(e, "method")});
}

Result<Verb> parse_dial(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {"callerId", "action", "timeout"}));
  CALL_CHECK(refuse_children(e));
  CALL_TRY(auto number, required(e, std::string(trim(e.text)), "a number"));
  CALL_TRY(const auto timeout, seconds(e, "timeout", Dial{}.timeout_s));
  return Verb(Dial{std::move(number), attribute(e, "callerId"), attribute(e, "action"), timeout});
}

Result<Stream> parse_stream(const xml::Element& e) {
  CALL_CHECK(
      allow_attributes(e, {"url", "name", "track", "statusCallback", "statusCallbackMethod"}));
  Stream stream;
  CALL_TRY(stream.url, required(e, attribute(e, "url"), "a url"));
  stream.name = attribute(e, "name");
  stream.track = attribute(e, "track");
  stream.status_callback = attribute(e, "statusCallback");
  stream.status_callback_method = attribute(e, "statusCallbackMethod");
  for (const auto& child : e.children) {
    if (child.name != "Parameter") return invalid("<" + child.name + "> inside <Stream>");
    CALL_CHECK(allow_attributes(child, {"name", "value"}));
    CALL_CHECK(refuse_children(child));
    CALL_TRY(auto name, required(child, attribute(child, "name"), "a name"));
    auto value = attribute(child, "value");
    if (name.size() + value.size() >= kMaxParameter)
      return Error{Errc::limit, "TwiML: parameter " + std::string(truncate_utf8(name, 60)) +
                                    ": name and value must be under 500 bytes"};
    if (stream.parameters.size() == kMaxParameters)
      return Error{Errc::limit, "TwiML: more than 99 parameters"};
    stream.parameters.emplace_back(std::move(name), std::move(value));
  }
  return stream;
}

Result<Verb> parse_connect(const xml::Element& e) {
  CALL_CHECK(allow_attributes(e, {"action", "method"}));
  if (e.children.size() != 1 || e.children.front().name != "Stream")
    return invalid("<Connect> needs exactly one <Stream>");
  CALL_TRY(auto stream, parse_stream(e.children.front()));
  return Verb(Connect{attribute(e, "action"), attribute(e, "method"), std::move(stream)});
}

using VerbParser = Result<Verb> (*)(const xml::Element&);
constexpr std::array<std::pair<std::string_view, VerbParser>, 7> kVerbs{{
    {"Connect", parse_connect},
    {"Dial", parse_dial},
    {"Hangup", parse_hangup},
    {"Pause", parse_pause},
    {"Play", parse_play},
    {"Redirect", parse_redirect},
    {"Say", parse_say},
}};

}  // namespace

std::string write(const Response& response) {
  return Writer().document(response);
}

Result<Response> parse(std::string_view document) {
  if (document.size() > kMaxDocument)
    return Error{Errc::limit, "TwiML: the document exceeds 64 KiB"};
  CALL_TRY(const auto root, xml::parse(document));
  if (root.name != "Response") return invalid("the root element must be <Response>");
  CALL_CHECK(allow_attributes(root, {}));
  if (!trim(root.text).empty()) return invalid("text directly inside <Response>");
  Response response;
  for (const auto& child : root.children) {
    const auto* known = std::find_if(kVerbs.begin(), kVerbs.end(),
                                     [&](const auto& verb) { return verb.first == child.name; });
    if (known == kVerbs.end()) return invalid("verb <" + child.name + "> is not supported");
    CALL_TRY(auto verb, known->second(child));
    response.verbs.push_back(std::move(verb));
  }
  return response;
}

}  // namespace call::carrier::twiml
