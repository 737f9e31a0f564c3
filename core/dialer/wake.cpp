#include "core/dialer/wake.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "core/base/strings.hpp"
#include "core/redis/subscription.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::dialer {
namespace {

constexpr const char* kChannel = "calld:wake";
constexpr std::chrono::milliseconds kTick{500};

void pause(std::chrono::milliseconds span) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, span);
}

}  // namespace

Status publish_wake(redis::Connection& redis, std::int64_t list_id, Deadline deadline) {
  CALL_CHECK(redis.ensure_connected(deadline));
  CALL_CHECK(redis.command(redis::cmd("PUBLISH", kChannel, std::to_string(list_id)), deadline));
  return {};
}

Wakes::Wakes(redis::Endpoint endpoint)
    : endpoint_(std::move(endpoint)), thread_([this] { listen(); }) {}

Wakes::~Wakes() {
  ending_ = true;
  thread_.join();
}

void Wakes::add(std::int64_t list_id, Wake wake) {
  drivers_.with([&](auto& drivers) { drivers[list_id] = std::move(wake); });
}

void Wakes::remove(std::int64_t list_id) {
  drivers_.with([&](auto& drivers) { drivers.erase(list_id); });
}

void Wakes::listen() {
  runtime::name_this_thread("wake");
  redis::Subscription subscription(endpoint_, {kChannel}, "calld-wake");
  while (!ending_) {
    auto status = subscription.open(Deadline::after(kTick));
    if (status) {
      auto message = subscription.next(Deadline::after(kTick));
      if (message && *message) deliver((*message)->payload);
      if (message) continue;
      status = std::move(message).error();
    }
    log_.debug("no wake-up calls: {}", status.error().to_string());
    pause(kTick);
  }
}

void Wakes::deliver(const std::string& payload) {
  const auto list_id = parse_number<std::int64_t>(payload);
  if (!list_id) return;
  drivers_.with([&](auto& drivers) {
    for (const auto& [id, wake] : drivers) wake(id == *list_id ? Whose::own : Whose::other);
  });
}

}  // namespace call::dialer
