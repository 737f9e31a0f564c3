// What HTTP brings: query strings and forms, webhooks and their signatures, URLs, XML, addresses, tokens.
#include "core/net/http.hpp"
#include "core/base/assert.hpp"
#include "core/carrier/media_token.hpp"
#include "core/carrier/signature.hpp"
#include "core/carrier/twiml.hpp"
#include "core/carrier/webhook.hpp"
#include "core/carrier/xml.hpp"
#include "core/net/form.hpp"
#include "core/net/url.hpp"
#include "core/redis/endpoint.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {

std::vector<std::string> seeds() {
  return {
      "CallSid=CA00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001&"
      "CallStatus=completed&SequenceNumber=3&CallDuration=12&Timestamp=Fri%2C+27+Nov+2026+08%3A00%"
      "3A"
      "00+%2B0000&AnsweredBy=machine_end_beep&SipResponseCode=200&From=%2B14155550100",
      "CallSid=CA00000000000000000000000000000001&StreamSid=MZ1&StreamEvent=stream-error&"
      "StreamError=%D7%A9%D7%9C%D7%95%D7%9D&a=&b&=c&a=2",
      "https://user:pw@calls.example.com:8443/twilio/status/t%20k?x=1&y=%2F#rc=5&rp=all",
      "wss://[::1]:8081/ws/twilio-media/",
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><!-- hello --><Connect><Stream "
      "url='wss://x/ws?a=1&amp;b=2'><Parameter name=\"token\" value=\"&#x5D0;&lt;&quot;\"/>"
      "</Stream></Connect><Say>Good&#32;bye</Say></Response>",
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Pause length=\"2\"/><Dial "
      "timeout=\"30\" callerId=\"+1\">"
      "+12025550143</Dial><Play digits=\"w1\"/><Redirect "
      "method=\"POST\">https://x/</Redirect><Hangup/></Response>",
      "Basic dXNlcjpwYTpzcw==",
      "[::1]:8080",
      "1795852520.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
  };
}

void feed(std::string_view input) {
  if (const auto params = net::decode_form(input)) {
    const auto again = net::decode_form(net::encode_form(*params));
    CALL_ASSERT(again && *again == *params);
    const carrier::SignatureKeys keys{Secret("key"), Secret()};
    CALL_ASSERT(!carrier::validate(keys, "https://x/", *params, input));
    static_cast<void>(carrier::parse_webhook(*params));
  }
  const carrier::SignatureKeys keys{Secret("key"), Secret("other")};
  CALL_ASSERT(!carrier::validate_json(keys, input, input, "no signature"));
  CALL_ASSERT(!carrier::validate_upgrade(keys, input, "no signature"));
  static_cast<void>(net::parse_url(input));
  static_cast<void>(redis::parse_url(input));
  static_cast<void>(carrier::xml::parse(input));
  static_cast<void>(carrier::twiml::parse(input));
  if (const auto address = net::parse_host_port(input)) {
    const auto again = net::parse_host_port(net::to_string(*address));
    CALL_ASSERT(again && again->host == address->host && again->port == address->port);
  }
  std::string user;
  std::string password;
  if (net::parse_basic_auth(input, user, password)) {
    std::string same_user;
    std::string same_password;
    CALL_ASSERT(net::parse_basic_auth(net::basic_auth(user, password), same_user, same_password));
    CALL_ASSERT(same_user == user && same_password == password);
  }
  CALL_ASSERT(!carrier::verify_media_token(keys, "attempt", input, WallTime()));
}

}  // namespace call::fuzz
