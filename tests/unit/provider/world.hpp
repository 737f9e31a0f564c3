// A provider host, the fakes, and a sink that a test waits on.
#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "core/provider/endpoint.hpp"
#include "core/provider/host.hpp"
#include "core/speech/engines.hpp"
#include "tests/support/fakes/providers.hpp"

namespace call::provider::test {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

/// What engines told, in order.
class News {
 public:
  speech::EngineSink sink() {
    return [this](speech::EngineEvent event) {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
      changed_.notify_all();
    };
  }
  /// Waits until there are `count` of this kind and returns the last of them.
  template <class T>
  T wait(std::size_t count = 1) {
    std::unique_lock lock(mutex_);
    std::vector<T> found;
    const bool there = changed_.wait_for(lock, 20s, [&] {
      found = all_locked<T>();
      return found.size() >= count;
    });
    if (!there) FAIL("the engine never told it");
    return found[count - 1];
  }
  template <class T>
  std::vector<T> all() const {
    std::lock_guard lock(mutex_);
    return all_locked<T>();
  }

 private:
  template <class T>
  std::vector<T> all_locked() const {
    std::vector<T> found;
    for (const auto& event : events_) {
      if (const auto* e = std::get_if<T>(&event)) found.push_back(*e);
    }
    return found;
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<speech::EngineEvent> events_;
};

struct World {
  World() {
    auto made = Host::make({}, registry);
    if (!made) FAIL(made.error().to_string());
    host = std::move(*made);
  }

  Endpoint endpoint(const std::string& url) const {
    Endpoint endpoint;
    endpoint.url = *net::parse_url(url);
    endpoint.key = Secret("key-1");
    endpoint.model = "model-1";
    endpoint.voice = "voice-1";
    return endpoint;
  }
  static std::shared_ptr<const Endpoint> shared(Endpoint endpoint) {
    return std::make_shared<const Endpoint>(std::move(endpoint));
  }
  /// Waits until what the server has seen is so.
  template <class Done>
  void wait_for(Done done) {
    for (int i = 0; i < 2000; ++i) {
      if (done()) return;
      std::unique_lock lock(mutex);
      never.wait_for(lock, 10ms);
    }
    FAIL("it never came to that");
  }

  fakes::Providers fake;
  metrics::Registry registry;
  News news;
  std::unique_ptr<Host> host;
  std::mutex mutex;
  std::condition_variable never;
};

}  // namespace call::provider::test
