#include "tests/unit/sim/application.hpp"

#include "core/crypto/base64.hpp"

namespace call::sim::test {

void MediaServer::Reply::media(std::size_t bytes, std::uint8_t code) const {
  const std::string mulaw(bytes, static_cast<char>(code));
  send({{"event", "media"}, {"media", {{"payload", crypto::base64_encode(mulaw)}}}});
}

class MediaServer::Handler final : public net::WsHandler {
 public:
  explicit Handler(Behaviour behaviour) : behaviour_(std::move(behaviour)) {}
  void on_open(net::WsConnection& connection) override { connection_ = &connection; }
  void on_text(std::string_view text) override {
    const auto message = nlohmann::json::parse(text);
    if (message.contains("streamSid")) stream_sid_ = message["streamSid"];
    behaviour_(message, {*connection_, stream_sid_});
  }
  void on_binary(std::string_view) override {}
  void on_close(const net::WsClose&) override {}

 private:
  Behaviour behaviour_;
  net::WsConnection* connection_ = nullptr;
  std::string stream_sid_;
};

MediaServer::MediaServer(Factory factory) : factory_(std::move(factory)) {
  net::WsServerHooks hooks;
  hooks.upgrade = [this](const net::HttpRequest& request) -> net::WsUpgrade {
    const bool good = carrier::validate_upgrade({kToken, Secret()}, url(),
                                                request.headers.get("X-Twilio-Signature"));
    if (!good) return net::text_response(403, "not signed");
    return std::make_unique<Handler>(factory_());
  };
  auto started = net::WsServer::start({}, hooks, {&loop_});
  REQUIRE(started.ok());
  server_ = std::move(*started);
}

Fixture::Fixture(const std::string& script, std::function<void(Options&)> adjust) {
  Options options;
  options.listen = "127.0.0.1:0";
  options.account_sid = kAccount;
  options.auth_token = kToken;
  options.calls_per_second = 1000;
  options.script = "[defaults]\nring_s = 0.05\n" + script;
  options.fetch_timeout = std::chrono::milliseconds(3000);
  if (adjust) adjust(options);
  auto started = Server::start(options);
  INFO((started.ok() ? "" : started.error().context));
  REQUIRE(started.ok());
  server = std::move(*started);
}

carrier::Carrier Fixture::client() const {
  carrier::Options options;
  options.base_url = server->base_url();
  options.account_sid = kAccount;
  options.auth_token = kToken;
  return carrier::Carrier(options);
}

carrier::CreateCall Fixture::request(const std::string& twiml) const {
  carrier::CreateCall call;
  call.to = "+12025550101";
  call.from = "+12025550100";
  call.twiml = twiml;
  call.status_callback = application.url("/status");
  return call;
}

nlohmann::json Fixture::truth(const std::string& path) const {
  auto url = net::parse_url(server->base_url() + path);
  REQUIRE(url.ok());
  auto result = net::http_call(*url, {}, soon());
  REQUIRE(result.response.ok());
  REQUIRE(result.response.value().status == 200);
  return nlohmann::json::parse(result.response.value().body);
}

std::string connect_twiml(const std::string& stream_attributes, const std::string& after) {
  return "<Response><Connect><Stream " + stream_attributes + "/></Connect>" + after + "</Response>";
}

}  // namespace call::sim::test
