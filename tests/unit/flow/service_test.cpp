// The service over real sockets: the echo agent, refusals, draining. Spoken conversations are
// tested end to end in tests/integration.
#include "core/flow/service.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"
#include "core/crypto/base64.hpp"
#include "core/net/http_client.hpp"
#include "core/net/ws_client.hpp"
#include "core/record/folder.hpp"
#include "core/runtime/loop.hpp"

using namespace call;
using namespace call::flow;
namespace fs = std::filesystem;

namespace {

Deadline soon() {
  return Deadline::after(std::chrono::seconds(10));
}

/// What a client's connection has seen; shared with the handler, which lives on the loop.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  std::vector<std::string> texts;
  std::optional<net::WsClose> close;

  template <class Done>
  bool wait(Done done) {
    std::unique_lock lock(mutex);
    return changed.wait_until(lock, soon().point(), [&] { return done(*this); });
  }
};

class Client final : public net::WsHandler {
 public:
  explicit Client(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}
  void on_open(net::WsConnection&) override {
    note([](Seen& s) { s.open = true; });
  }
  void on_text(std::string_view text) override {
    note([&](Seen& s) { s.texts.emplace_back(text); });
  }
  void on_binary(std::string_view) override {}
  void on_close(const net::WsClose& close) override {
    note([&](Seen& s) { s.close = close; });
  }

 private:
  template <class F>
  void note(F f) {
    std::lock_guard lock(seen_->mutex);
    f(*seen_);
    seen_->changed.notify_all();
  }
  std::shared_ptr<Seen> seen_;
};

struct Stream {
  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
  net::WsHandle handle;
  std::string stream_sid;

  void send(std::string text) const {
    handle.post([text = std::move(text)](net::WsConnection& c) { c.send_text(text); });
  }
  void start(const std::string& call_sid, const std::string& agent) {
    stream_sid = "MZ" + call_sid;
    send(R"({"event":"connected","protocol":"Call","version":"1.0.0"})");
    send(R"({"event":"start","streamSid":")" + stream_sid + R"(","start":{"callSid":")" + call_sid +
         R"(","customParameters":{"agent":")" + agent + R"(","attempt":"a-1","list":"7"}}})");
  }
  void frame(int index) const {
    send(R"({"event":"media","streamSid":")" + stream_sid +
         R"(","media":{"track":"inbound","chunk":"1","timestamp":")" + std::to_string(index * 20) +
         R"(","payload":")" + crypto::base64_encode(std::string(160, static_cast<char>(index))) +
         "\"}}");
  }
  void close() const {
    handle.post([](net::WsConnection& c) { c.close(1000, ""); });
  }
};

struct Bench {
  explicit Bench(ServiceHooks hooks = {}, std::size_t max_calls = 10,
                 std::size_t max_unproven = 0) {
    ServiceOptions options;
    options.server.listen = {"127.0.0.1", 0};
    options.server.max_calls = max_calls;
    options.server.max_unproven = max_unproven;
    options.server.spool.dir = spool;
    auto started = Service::start(std::move(options), std::move(hooks), registry);
    if (!started) FAIL(started.error().to_string());
    service = std::move(*started);
  }
  ~Bench() {
    service.reset();
    fs::remove_all(spool);
  }
  Stream connect(const std::string& path = "/ws/twilio-media") {
    Stream stream;
    const auto url = net::parse_url("ws://127.0.0.1:" + std::to_string(service->port()) + path);
    stream.handle = net::ws_connect(loop, *url, {}, std::make_unique<Client>(stream.seen));
    REQUIRE(stream.seen->wait([](const Seen& seen) { return seen.open || seen.close; }));
    return stream;
  }
  int refused(const std::string& path) {
    const auto stream = connect(path);
    REQUIRE(stream.seen->wait([](const Seen& s) { return s.close.has_value(); }));
    return stream.seen->close->http_status;
  }

  fs::path spool = fs::temp_directory_path() / ("spool-" + random_hex(6));
  metrics::Registry registry;
  runtime::Loop loop{"client"};
  std::unique_ptr<Service> service;
};

}  // namespace

TEST_CASE("flow.service: the echo agent sends every frame back and leaves a record") {
  Bench bench;
  auto stream = bench.connect("/ws/twilio-media/");
  stream.start("CA1", "echo");
  for (int i = 0; i < 100; ++i) stream.frame(i);
  REQUIRE(stream.seen->wait([](const Seen& s) { return s.texts.size() == 100; }));
  CHECK(stream.seen->texts[42].find(crypto::base64_encode(std::string(160, 42))) !=
        std::string::npos);
  stream.send(R"({"event":"stop","stop":{}})");
  REQUIRE(stream.seen->wait([](const Seen& s) { return s.close.has_value(); }));
  CHECK(stream.seen->close->code == 1000);
  REQUIRE(bench.service->drain(soon()));
  const auto record = record::read_folder(bench.spool / "CA1");
  REQUIRE(record);
  CHECK(record->agent == "echo");
  CHECK(record->list == "7");
  CHECK(record->attempt == "a-1");
  CHECK(record->end_reason == "caller_hung_up");
  CHECK(record->duration_ms == 2000);
  CHECK(record->counters.frames_in == 100);
  CHECK(record->counters.frames_out == 100);
  CHECK(fs::file_size(bench.spool / "CA1" / record::kAudioFile) == 44 + 2000 * 8 * 4);
}

TEST_CASE("flow.service: other paths, plain requests, and strangers are refused") {
  ServiceHooks hooks;
  hooks.authorize = [](const net::HttpRequest& request) -> Status {
    if (request.headers.get("x-twilio-signature") == "good") return {};
    return Error{Errc::permission, "wrong signature"};
  };
  Bench bench(std::move(hooks));
  CHECK(bench.refused("/nothing") == 404);
  CHECK(bench.refused("/ws/twilio-media") == 403);
}

TEST_CASE("flow.service: a start without a good token ends the stream") {
  ServiceHooks hooks;
  hooks.admit = [](const media::StartInfo&) -> Status {
    return Error{Errc::permission, "wrong token"};
  };
  Bench bench(std::move(hooks));
  auto stream = bench.connect();
  stream.start("CA1", "echo");
  REQUIRE(stream.seen->wait([](const Seen& s) { return s.close.has_value(); }));
  CHECK(stream.seen->close->code == 1008);
  CHECK_FALSE(fs::exists(bench.spool / "CA1"));
}

TEST_CASE("flow.service: an agent that does not exist ends the stream") {
  Bench bench;
  auto stream = bench.connect();
  stream.start("CA1", "nobody");
  REQUIRE(stream.seen->wait([](const Seen& s) { return s.close.has_value(); }));
  CHECK(stream.seen->close->code == 1008);
  const auto& refused = bench.registry.counter("calld_media_refused_total",
                                               "Streams refused, by reason", {{"reason", "agent"}});
  CHECK(refused.value() == 1);
}

TEST_CASE("flow.service: a second stream of the same call is refused and the first goes on") {
  Bench bench;
  auto first = bench.connect();
  first.start("CA1", "echo");
  first.frame(0);
  REQUIRE(first.seen->wait([](const Seen& s) { return s.texts.size() == 1; }));
  auto second = bench.connect();
  second.start("CA1", "echo");
  REQUIRE(second.seen->wait([](const Seen& s) { return s.close.has_value(); }));
  CHECK(second.seen->close->reason == "duplicate_call");
  first.frame(1);
  CHECK(first.seen->wait([](const Seen& s) { return s.texts.size() == 2; }));
}

TEST_CASE("flow.service: above the limit of calls the upgrade is answered 503") {
  Bench bench({}, 1);
  auto first = bench.connect();
  first.start("CA1", "echo");
  first.frame(0);
  REQUIRE(first.seen->wait([](const Seen& s) { return s.texts.size() == 1; }));
  CHECK(bench.refused("/ws/twilio-media") == 503);
}

TEST_CASE("flow.service: draining refuses new calls while the running ones go on to their end") {
  Bench bench;
  auto running = bench.connect();
  running.start("CA1", "echo");
  running.frame(0);
  REQUIRE(running.seen->wait([](const Seen& s) { return s.texts.size() == 1; }));
  CHECK_FALSE(bench.service->drain(Deadline::after(std::chrono::milliseconds(1))));
  CHECK(bench.refused("/ws/twilio-media") == 503);
  running.frame(1);
  CHECK(running.seen->wait([](const Seen& s) { return s.texts.size() == 2; }));
  running.send(R"({"event":"stop","stop":{}})");
  CHECK(bench.service->drain(soon()));
  CHECK(record::read_folder(bench.spool / "CA1")->end_reason == "caller_hung_up");
}

TEST_CASE("flow.service: predecessor B11.23 a ghost socket is no call and leaves no record") {
  Bench bench({}, 1);
  {
    const auto ghost = bench.connect();  // says nothing at all
    ghost.close();
    REQUIRE(ghost.seen->wait([](const Seen& s) { return s.close.has_value(); }));
  }
  CHECK(bench.service->drain(soon()));
  CHECK(fs::is_empty(bench.spool));
  CHECK(bench.registry.text().find("calld_media_calls_total 0") != std::string::npos);
}

TEST_CASE("flow.service: streams that prove nothing cannot take all places") {
  Bench bench({}, 1000, 2);
  const auto one = bench.connect();
  auto two = bench.connect();
  CHECK(bench.refused("/ws/twilio-media") == 503);
  two.start("CA2", "echo");
  two.frame(0);
  REQUIRE(two.seen->wait([](const Seen& s) { return s.texts.size() == 1; }));
  CHECK(bench.connect().seen->open);
}

TEST_CASE("flow.service: a socket that breaks ends the call, and stopping ends all that live") {
  Bench bench;
  auto lost = bench.connect();
  lost.start("CA1", "echo");
  lost.frame(0);
  REQUIRE(lost.seen->wait([](const Seen& s) { return s.texts.size() == 1; }));
  lost.close();
  auto held = bench.connect();
  held.start("CA2", "survey");
  REQUIRE(held.seen->wait(
      [](const Seen& s) { return s.texts.size() >= 2; }));  // the greeting is on its way
  bench.service->stop(soon());
  const auto first = record::read_folder(bench.spool / "CA1");
  const auto second = record::read_folder(bench.spool / "CA2");
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->end_reason == "caller_hung_up");
  CHECK(second->end_reason == "shutdown");
  REQUIRE(second->turns.size() == 1);
  CHECK(second->turns[0].interrupted);
}

TEST_CASE("flow.service: the record of a server that died is published by the next one") {
  const auto spool = fs::temp_directory_path() / ("spool-" + random_hex(6));
  const ScopeExit remove([&] { fs::remove_all(spool); });
  fs::create_directories(spool / "CA9.part");
  record::CallRecord record;
  record.call_sid = "CA9";
  record.end_reason = "server_died";
  REQUIRE(record::write_texts(spool / "CA9.part", record));
  metrics::Registry registry;
  auto started = media::Spool::start({spool}, registry);
  REQUIRE(started);
  const auto read = record::read_folder(spool / "CA9");
  REQUIRE(read);
  CHECK(read->end_reason == "server_died");
}
