// A handler that hangs, over real sockets: the audio of its own call goes on, and so does every other call.
#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/ids.hpp"
#include "core/crypto/base64.hpp"
#include "core/media/server.hpp"
#include "core/net/ws_client.hpp"
#include "core/runtime/loop.hpp"
#include "core/runtime/timer.hpp"

using namespace call;
using namespace call::media;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto kHangs = 10s;
constexpr std::size_t kSpeechSamples = 15 * 8000;  // queued before the handler hangs

/// A carrier on the wire: a frame every 20 ms, plays what it is sent in real time and echoes the marks. On the loop.
class Phone final : public net::WsHandler {
 public:
  struct Counts {
    std::mutex mutex;
    std::size_t frames_sent = 0;
    std::size_t samples_received = 0;
    std::size_t frames_echoed = 0;
    bool closed = false;
  };
  Phone(runtime::Loop& loop, std::string call_sid, std::string agent,
        std::shared_ptr<Counts> counts)
      : timer_(loop),
        call_sid_(std::move(call_sid)),
        agent_(std::move(agent)),
        counts_(std::move(counts)) {}

  void on_open(net::WsConnection& connection) override {
    connection_ = &connection;
    connection.send_text(R"({"event":"start","streamSid":"MZ)" + call_sid_ +
                         R"(","start":{"callSid":")" + call_sid_ +
                         R"(","customParameters":{"agent":")" + agent_ + "\"}}}");
    timer_.every(20ms, [this] { tick(); });
  }
  void on_text(std::string_view text) override {
    const auto message = nlohmann::json::parse(text);
    if (message.at("event") == "mark") {
      marks_.emplace_back(buffered_, message.at("mark").at("name").get<std::string>());
      return;
    }
    const auto audio = crypto::base64_decode(message.at("media").at("payload").get<std::string>());
    buffered_ += audio->size();
    std::lock_guard lock(counts_->mutex);
    counts_->samples_received += audio->size();
    ++counts_->frames_echoed;
  }
  void on_binary(std::string_view) override {}
  void on_close(const net::WsClose&) override {
    timer_.cancel();
    std::lock_guard lock(counts_->mutex);
    counts_->closed = true;
  }

 private:
  void tick() {
    const std::string payload = crypto::base64_encode(std::string(160, '\xff'));
    connection_->send_text(R"({"event":"media","media":{"timestamp":")" +
                           std::to_string(sent_ * 20) + R"(","payload":")" + payload + "\"}}");
    ++sent_;
    const std::size_t played = std::min<std::size_t>(buffered_, 160);
    buffered_ -= played;
    for (auto& mark : marks_) mark.first -= std::min(mark.first, played);
    while (!marks_.empty() && marks_.front().first == 0) {
      connection_->send_text(R"({"event":"mark","mark":{"name":")" + marks_.front().second +
                             "\"}}");
      marks_.erase(marks_.begin());
    }
    std::lock_guard lock(counts_->mutex);
    ++counts_->frames_sent;
  }

  runtime::Timer timer_;
  std::string call_sid_, agent_;
  std::shared_ptr<Counts> counts_;
  net::WsConnection* connection_ = nullptr;
  std::size_t buffered_ = 0;
  std::size_t sent_ = 0;
  std::vector<std::pair<std::size_t, std::string>> marks_;
};

class DeafVad final : public speech::Vad {
 public:
  float push(audio::PcmView) noexcept override { return 0; }
  void reset() noexcept override {}
};

struct Bench {
  Bench() {
    ServerOptions options;
    options.listen = {"127.0.0.1", 0};
    options.spool.dir = spool;
    ServerHooks hooks;
    hooks.make_vad = [](CallTuning::Vad) { return std::make_unique<DeafVad>(); };
    hooks.plan = [this](const StartInfo& start) -> Result<CallPlan> {
      CallPlan plan;
      plan.agent = start.parameter("agent");
      if (plan.agent == "echo") {
        plan.mode = Session::Mode::echo;
        return plan;
      }
      plan.launch = [this](std::shared_ptr<CallLink> link, CallPlan::Done done) -> Status {
        handler = std::thread([this, link, done] {
          link->send(BeginSpeech{1});
          link->send(AddSpeech{1, audio::Mulaw(kSpeechSamples, 0x20)});
          link->send(EndSpeech{1});
          hang();
          while (link->next(Deadline::after(30s))) {
          }
          done({});
        });
        return {};
      };
      return plan;
    };
    auto started = Server::start(std::move(options), std::move(hooks), registry);
    if (!started) FAIL(started.error().to_string());
    server = std::move(*started);
  }
  ~Bench() {
    server->stop(Deadline::after(10s));
    if (handler.joinable()) handler.join();
    server.reset();
    fs::remove_all(spool);
  }

  /// As a language model does whose connection is half open: nothing wakes it.
  void hang() {
    std::unique_lock lock(mutex);
    hanging = true;
    changed.notify_all();
    changed.wait_for(lock, kHangs, [] { return false; });
    hanging = false;
    changed.notify_all();
  }

  std::shared_ptr<Phone::Counts> call(const std::string& sid, const std::string& agent) {
    auto counts = std::make_shared<Phone::Counts>();
    const auto url =
        net::parse_url("ws://127.0.0.1:" + std::to_string(server->port()) + "/ws/twilio-media");
    net::ws_connect(loop, *url, {}, std::make_unique<Phone>(loop, sid, agent, counts));
    return counts;
  }

  fs::path spool = fs::temp_directory_path() / ("spool-" + random_hex(6));
  metrics::Registry registry;
  std::mutex mutex;
  std::condition_variable changed;
  bool hanging = false;
  std::thread handler;
  runtime::Loop loop{"phones"};
  std::unique_ptr<Server> server;
};

}  // namespace

TEST_CASE("isolation: a handler that hangs delays no audio, neither its own call's nor another's") {
  Bench bench;
  const auto other = bench.call("CA1", "echo");
  const auto own = bench.call("CA2", "talks");
  {
    std::unique_lock lock(bench.mutex);
    REQUIRE(bench.changed.wait_for(lock, 30s, [&] { return bench.hanging; }));
    REQUIRE(bench.changed.wait_for(lock, 60s, [&] { return !bench.hanging; }));
  }
  // All the time that the handler did nothing, its call's audio flowed, in step with the callee's ear, and the
  // other call's came back frame by frame. Counted against what this test itself managed to send.
  std::scoped_lock lock(own->mutex, other->mutex);
  CHECK(own->frames_sent > 250);
  CHECK(own->samples_received >=
        std::min(own->frames_sent * 160 / 10 * 9, kSpeechSamples / 10 * 9));
  CHECK(own->samples_received <= own->frames_sent * 160 + 3 * 8000);  // the lead and no more
  CHECK(other->frames_echoed * 10 >= other->frames_sent * 9);
  CHECK_FALSE(own->closed);
  CHECK_FALSE(other->closed);
}
