// TLS on the media port: a certificate made on the spot, our own client that verifies it.
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>

#include "core/base/ids.hpp"
#include "core/net/ws_client.hpp"
#include "core/net/ws_server.hpp"
#include "core/runtime/bounded_queue.hpp"
#include "core/runtime/loop.hpp"

using namespace call;
using namespace call::net;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// A certificate for 127.0.0.1, signed by itself, and its key, as PEM files.
struct Certificate {
  Certificate() {
    fs::create_directories(dir);
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
    REQUIRE((key && cert));
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_set_pubkey(cert.get(), key.get());
    X509_NAME* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("calld test"), -1, -1, 0);
    X509_set_issuer_name(cert.get(), name);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(cert.get(), extension, -1);
    X509_EXTENSION_free(extension);
    REQUIRE(X509_sign(cert.get(), key.get(), EVP_sha256()) > 0);
    std::FILE* file = std::fopen(files.certificate_file.c_str(), "w");
    PEM_write_X509(file, cert.get());
    std::fclose(file);
    file = std::fopen(files.key_file.c_str(), "w");
    PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
  }
  ~Certificate() { fs::remove_all(dir); }

  const fs::path dir = fs::temp_directory_path() / ("calld-tls-" + random_hex(6));
  const ServerTls files{dir / "cert.pem", dir / "key.pem"};
};

class Echo : public WsHandler {
 public:
  void on_open(WsConnection& connection) override { connection_ = &connection; }
  void on_text(std::string_view message) override { connection_->send_text(message); }
  void on_binary(std::string_view) override {}
  void on_close(const WsClose&) override {}

 private:
  WsConnection* connection_ = nullptr;
};

using Events = runtime::BoundedQueue<std::string>;

class Client : public WsHandler {
 public:
  explicit Client(std::shared_ptr<Events> events) : events_(std::move(events)) {}
  void on_open(WsConnection& connection) override {
    connection.send_text(std::string(50'000, 't'));
    connection.send_text("last");
  }
  void on_text(std::string_view message) override { events_->try_push(std::string(message)); }
  void on_binary(std::string_view) override {}
  void on_close(const WsClose& close) override { events_->try_push("closed: " + close.reason); }

 private:
  std::shared_ptr<Events> events_;
};

}  // namespace

TEST_CASE(
    "net.ws_tls: the server speaks TLS with its own certificate, and plain clients get nowhere") {
  const Certificate certificate;
  runtime::Loop server_loop("ws-server");
  runtime::Loop client_loop("ws-client");
  WsServerOptions options;
  options.tls = certificate.files;
  options.limits.handshake_timeout = 2s;
  WsServerHooks hooks;
  hooks.upgrade = [](const HttpRequest&) { return std::make_unique<Echo>(); };
  auto server = WsServer::start(options, hooks, {&server_loop});
  REQUIRE(server);
  const auto at = "127.0.0.1:" + std::to_string((*server)->port()) + "/ws";

  auto events = std::make_shared<Events>(100);
  WsClientOptions trusting;
  trusting.tls.ca_file = certificate.files.certificate_file;
  ws_connect(client_loop, *parse_url("wss://" + at), {}, std::make_unique<Client>(events),
             trusting);
  CHECK(events->pop(Deadline::after(10s)).value() == std::string(50'000, 't'));
  CHECK(events->pop(Deadline::after(10s)).value() == "last");

  auto wary = std::make_shared<Events>(100);
  ws_connect(client_loop, *parse_url("wss://" + at), {}, std::make_unique<Client>(wary));
  CHECK(wary->pop(Deadline::after(10s)).value().find("TLS handshake") != std::string::npos);

  auto plain = std::make_shared<Events>(100);
  ws_connect(client_loop, *parse_url("ws://" + at), {}, std::make_unique<Client>(plain));
  CHECK(plain->pop(Deadline::after(10s)).value().starts_with("closed: "));
  (*server)->stop(Deadline::after(10s));
}

TEST_CASE("net.ws_tls: a certificate that cannot be used is an error that names it") {
  const Certificate certificate;
  const Certificate other;
  runtime::Loop loop("ws-server");
  WsServerOptions options;
  WsServerHooks hooks;
  hooks.upgrade = [](const HttpRequest&) { return std::make_unique<Echo>(); };
  options.tls = ServerTls{"/no/such/cert.pem", certificate.files.key_file};
  auto server = WsServer::start(options, hooks, {&loop});
  REQUIRE_FALSE(server);
  CHECK(server.error().context.find("/no/such/cert.pem") != std::string::npos);
  options.tls = ServerTls{certificate.files.certificate_file, other.files.key_file};
  server = WsServer::start(options, hooks, {&loop});
  REQUIRE_FALSE(server);
  CHECK(server.error().code == Errc::invalid_argument);
  CHECK(server.error().context.find(other.files.key_file) != std::string::npos);
}
