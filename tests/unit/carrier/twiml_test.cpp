#include "core/carrier/twiml.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::carrier;

namespace {

std::string in_response(const std::string& inside) {
  return "<Response>" + inside + "</Response>";
}

template <class V>
V only_verb(const std::string& inside) {
  auto parsed = twiml::parse(in_response(inside));
  INFO(inside << (parsed ? "" : parsed.error().context));
  REQUIRE(parsed.ok());
  REQUIRE(parsed->verbs.size() == 1);
  REQUIRE(std::holds_alternative<V>(parsed->verbs[0]));
  return std::get<V>(parsed->verbs[0]);
}

twiml::Connect stream_connect() {
  twiml::Connect connect;
  connect.action = "https://calls.example.com/ended?a=1&b=2";
  connect.stream.url = "wss://media.example.com/ws/twilio-media";
  connect.stream.status_callback = "https://calls.example.com/stream";
  connect.stream.parameters = {
      {"agent", "survey"},
      {"var.name", "Dana <\"'&> \xD7\x93\xD7\xA0\xD7\x94 \xF0\x9F\x98\x80\n\tend"},
      {"empty", ""}};
  return connect;
}

}  // namespace

TEST_CASE("carrier.twiml: a stream survives writing and parsing, whatever its parameters hold") {
  const auto connect = stream_connect();
  const auto text =
      twiml::write({{connect, twiml::Redirect{"https://calls.example.com/next", "GET"}}});
  const auto parsed = twiml::parse(text);
  INFO(text);
  REQUIRE(parsed.ok());
  REQUIRE(parsed.value().verbs.size() == 2);
  const auto& read = std::get<twiml::Connect>(parsed.value().verbs[0]);
  REQUIRE(read.action == connect.action);
  REQUIRE(read.stream.url == connect.stream.url);
  REQUIRE(read.stream.status_callback == connect.stream.status_callback);
  REQUIRE(read.stream.parameters == connect.stream.parameters);
  const auto& redirect = std::get<twiml::Redirect>(parsed.value().verbs[1]);
  REQUIRE(redirect.url == "https://calls.example.com/next");
  REQUIRE(redirect.method == "GET");
}

TEST_CASE("carrier.twiml: documents begin with the declaration and hold nothing superfluous") {
  const auto text =
      twiml::write({{twiml::Say{"Hi & bye", "", ""}, twiml::Pause{}, twiml::Hangup{}}});
  REQUIRE(text ==
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Hi &amp; bye</Say><Pause/>"
          "<Hangup/></Response>");
}

TEST_CASE("carrier.twiml: every verb is read") {
  REQUIRE(
      only_verb<twiml::Say>("<Say voice='alice' language=\"en-GB\" loop='1'> Hello </Say>").text ==
      "Hello");
  REQUIRE(only_verb<twiml::Play>("<Play digits='12w'/>").digits == "12w");
  REQUIRE(only_verb<twiml::Pause>("<Pause length='3'/>").length_s == 3);
  REQUIRE(only_verb<twiml::Pause>("<Pause/>").length_s == 1);
  only_verb<twiml::Hangup>("<Hangup></Hangup>");
  REQUIRE(only_verb<twiml::Dial>("<Dial callerId='+12025550100' timeout='9'>+12025550101</Dial>")
              .timeout_s == 9);
}

TEST_CASE("carrier.twiml: comments and blanks between elements are skipped") {
  REQUIRE(
      twiml::parse("<?xml version='1.0'?>\n<!-- a -->\n<Response>\n <!-- <Dial> -->\n <Hangup/>\n"
                   "</Response>\n<!-- b -->\n")
          .ok());
}

TEST_CASE("carrier.twiml: the five entities and numeric references are understood") {
  REQUIRE(only_verb<twiml::Say>("<Say>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#x1F600;</Say>").text ==
          "<>&\"'AB\xF0\x9F\x98\x80");
}

TEST_CASE("carrier.twiml: hostile and broken documents are refused") {
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "<Response>";
    return text;
  }();
  const std::vector<std::string> bad{
      "",
      " <Response/>",
      "\xEF\xBB\xBF<Response/>",
      "hello",
      "<Response>",
      "<Response></Say>",
      "<Response/><Response/>",
      "<Response/>trailing",
      "<response/>",
      "<Response attribute='1'/>",
      "<!DOCTYPE r [<!ENTITY a 'b'>]><Response/>",
      "<?xml version='1.0'?><!DOCTYPE r SYSTEM 'file:///etc/passwd'><Response/>",
      in_response("<?php echo 1 ?>"),
      in_response("<![CDATA[x]]>"),
      in_response("text"),
      in_response("<Say>&undefined;</Say>"),
      in_response("<Say>&#0;</Say>"),
      in_response("<Say>&#xD800;</Say>"),
      in_response("<Say>&#x110000;</Say>"),
      in_response("<Say>&#99999999999;</Say>"),
      in_response("<Say>a & b</Say>"),
      in_response("<Say>\x01</Say>"),
      in_response("<Say>\xFF</Say>"),
      in_response("<Say a='1' a='2'>x</Say>"),
      in_response("<Say voice=alice>x</Say>"),
      in_response("<Say voice='al<ice'>x</Say>"),
      in_response("<Say voice='alice"),
      in_response("<Say><Break/></Say>"),
      in_response("<Say statusCallBack='x'>y</Say>"),
      in_response("<Gather/>"),
      in_response("<Pause length='-1'/>"),
      in_response("<Pause length='1s'/>"),
      in_response("<Redirect/>"),
      in_response("<Play/>"),
      in_response("<Connect/>"),
      in_response("<Connect><Stream/></Connect>"),
      in_response("<Connect><Stream url='wss://a/'/><Stream url='wss://b/'/></Connect>"),
      in_response("<Connect><Stream url='wss://a/'><Parameter value='x'/></Stream></Connect>"),
      in_response("<Stream url='wss://a/'/>"),
      deep,
  };
  for (const auto& document : bad) {
    INFO(document.substr(0, 200));
    REQUIRE_FALSE(twiml::parse(document).ok());
  }
}

TEST_CASE("carrier.twiml: limits are stated and kept") {
  const auto refused_with = [](const std::string& text) {
    const auto parsed = twiml::parse(text);
    return parsed.ok() ? Errc::internal : parsed.error().code;
  };
  REQUIRE(refused_with(in_response("<Say>" + std::string(70000, 'a') + "</Say>")) == Errc::limit);
  std::string many;
  for (int i = 0; i < 600; ++i) many += "<Hangup/>";
  REQUIRE(refused_with(in_response(many)) == Errc::limit);
  const auto parameter = [&](std::size_t size) {
    return in_response("<Connect><Stream url='wss://a/'><Parameter name='n' value='" +
                       std::string(size, 'v') + "'/></Stream></Connect>");
  };
  REQUIRE(twiml::parse(parameter(498)).ok());
  REQUIRE(refused_with(parameter(499)) == Errc::limit);
}

TEST_CASE("carrier.twiml: no prefix of a document is a document") {
  const auto text = twiml::write({{stream_connect(), twiml::Hangup{}}});
  for (std::size_t length = 0; length < text.size(); ++length)
    REQUIRE_FALSE(twiml::parse(std::string_view(text).substr(0, length)).ok());
  REQUIRE(twiml::parse(text).ok());
}
