// The other side of the simulator in its tests: an application with webhooks and a media server of
// a few lines.
#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/carrier/carrier.hpp"
#include "core/carrier/signature.hpp"
#include "core/net/http_client.hpp"
#include "core/net/http_server.hpp"
#include "core/net/ws_server.hpp"
#include "core/runtime/loop.hpp"
#include "core/sim/server.hpp"

namespace call::sim::test {

inline const std::string kAccount = "AC" + std::string(32, '1');
inline const Secret kToken{"sim-token"};

inline Deadline soon() {
  return Deadline::after(std::chrono::seconds(20));
}

/// Remembers webhooks (only properly signed ones) and answers TwiML by path.
class Application {
 public:
  struct Hook {
    std::string path;
    net::Params params;
    std::string get(std::string_view name) const {
      return std::string(net::param_or_empty(params, name));
    }
  };

  Application() {
    auto started = net::HttpServer::start(
        {}, [this](const net::HttpRequest& request) { return handle(request); });
    REQUIRE(started.ok());
    server_ = std::move(*started);
  }

  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }
  void answer(const std::string& path, int status, const std::string& body) {
    std::lock_guard lock(mutex_);
    answers_[path] = {status, body};
  }
  /// Waits until `count` webhooks came to `path`; all of them.
  std::vector<Hook> wait_for(const std::string& path, std::size_t count) {
    std::unique_lock lock(mutex_);
    std::vector<Hook> found;
    const bool came = changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      found.clear();
      for (const auto& hook : hooks_)
        if (hook.path == path) found.push_back(hook);
      return found.size() >= count;
    });
    INFO("webhooks for " << path << ": " << found.size());
    REQUIRE(came);
    return found;
  }
  /// The status callback that ends a call.
  Hook wait_for_end(const std::string& sid) {
    std::unique_lock lock(mutex_);
    const auto is_end = [&](const Hook& hook) {
      return hook.get("CallSid") == sid && !hook.get("CallDuration").empty();
    };
    auto end = hooks_.end();
    changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      end = std::find_if(hooks_.begin(), hooks_.end(), is_end);
      return end != hooks_.end();
    });
    REQUIRE(end != hooks_.end());
    return *end;
  }
  int unsigned_requests() {
    std::lock_guard lock(mutex_);
    return unsigned_;
  }

 private:
  net::HttpResponse handle(const net::HttpRequest& request) {
    auto params = net::decode_form(request.body).value();
    const bool good = carrier::validate({kToken, Secret()}, url(request.target), params,
                                        request.headers.get("X-Twilio-Signature"));
    std::lock_guard lock(mutex_);
    if (!good) ++unsigned_;
    const std::string path(request.path());
    if (good) hooks_.push_back({path, std::move(params)});
    changed_.notify_all();
    const auto known = answers_.find(path);
    if (known == answers_.end()) return net::text_response(204, "");
    return net::text_response(known->second.first, known->second.second);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Hook> hooks_;
  std::map<std::string, std::pair<int, std::string>> answers_;
  int unsigned_ = 0;
  std::unique_ptr<net::HttpServer> server_;
};

/// A media server whose behaviour is one function: called with every message and a way to answer.
class MediaServer {
 public:
  struct Reply {
    net::WsConnection& connection;
    std::string stream_sid;
    void media(std::size_t bytes, std::uint8_t code) const;
    void send(nlohmann::json message) const {
      message["streamSid"] = stream_sid;
      connection.send_text(message.dump());
    }
    void close() const { connection.close(1000, ""); }
  };
  using Behaviour = std::function<void(const nlohmann::json& message, const Reply& reply)>;
  /// One per connection.
  using Factory = std::function<Behaviour()>;

  explicit MediaServer(Factory factory);
  std::string url() const { return "ws://127.0.0.1:" + std::to_string(server_->port()) + "/media"; }

 private:
  class Handler;
  runtime::Loop loop_{"test-media"};
  Factory factory_;
  std::unique_ptr<net::WsServer> server_;
};

/// A simulator with `script`, fast, and a client for it.
struct Fixture {
  explicit Fixture(const std::string& script, std::function<void(Options&)> adjust = {});
  carrier::CreateOutcome call(const carrier::CreateCall& request) const {
    return client().create_call(request, soon());
  }
  carrier::Carrier client() const;
  carrier::CreateCall request(const std::string& twiml) const;
  /// JSON of a GET under /sim.
  nlohmann::json truth(const std::string& path) const;

  Application application;
  std::unique_ptr<Server> server;
};

std::string connect_twiml(const std::string& stream_attributes, const std::string& after = "");

}  // namespace call::sim::test
