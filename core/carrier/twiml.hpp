// TwiML documents: what the carrier does once a call is answered. Plain structs, one writer, one
// strict parser. Only the verbs that calld sends and its simulator runs; anything else is refused
// by name.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.hpp"

namespace call::carrier::twiml {

constexpr std::size_t kMaxDocument = 64U << 10;  ///< bytes parse() accepts (Twilio's own limit)
constexpr std::size_t kMaxParameter = 500;       ///< bytes of a Parameter's name and value together
constexpr std::size_t kMaxParameters = 99;

struct Say {
  std::string text;
  std::string voice;
  std::string language;
};
struct Play {
  std::string url;
  std::string digits;
};
struct Pause {
  int length_s = 1;
};
struct Hangup {};
struct Redirect {
  std::string url;
  std::string method;  ///< empty: POST
};
struct Dial {
  std::string number;
  std::string caller_id;
  std::string action;
  int timeout_s = 30;
};
struct Stream {
  std::string url;
  std::string name;
  std::string track;
  std::string status_callback;
  std::string status_callback_method;
  std::vector<std::pair<std::string, std::string>> parameters;
};
/// Bidirectional stream; the verbs after it run when the stream has ended, unless `action` is set:
/// then its answer runs.
struct Connect {
  std::string action;
  std::string method;
  Stream stream;
};

using Verb = std::variant<Say, Play, Pause, Hangup, Redirect, Dial, Connect>;
struct Response {
  std::vector<Verb> verbs;
};

/// A complete document. Empty attributes and defaults are left out. Nothing precedes the XML
/// declaration: Twilio refuses leading white space. Text must be UTF-8; control characters that
/// XML 1.0 cannot carry are dropped.
std::string write(const Response& response);

/// Errc::invalid_argument with the offset or the element named; Errc::limit above the limits. No
/// DTD, no processing instruction, no entity beyond the five of XML and numeric references.
Result<Response> parse(std::string_view document);

}  // namespace call::carrier::twiml
