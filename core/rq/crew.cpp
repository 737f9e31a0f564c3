#include "core/rq/crew.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/rq/host.hpp"

namespace call::rq {
namespace {

template <class Predicate>
void wait_on(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
             Deadline deadline, Predicate predicate) {
  assert_may_block("rq wait_on");
  changed.wait_for(lock, deadline.left(), predicate);
}

}  // namespace

void Alarm::ring() {
  {
    std::lock_guard lock(mutex_);
    rung_ = true;
  }
  changed_.notify_all();
}

void Alarm::wait(Deadline deadline) {
  std::unique_lock lock(mutex_);
  wait_on(changed_, lock, deadline, [this] { return rung_; });
  rung_ = false;
}

Doorbell::Doorbell() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CALL_ASSERT(fd_ >= 0);
}
Doorbell::~Doorbell() {
  ::close(fd_);
}

void Doorbell::call_listener() {
  const std::uint64_t one = 1;
  const auto written = ::write(fd_, &one, sizeof one);
  CALL_ASSERT(written == sizeof one || errno == EAGAIN);
}

void Doorbell::quiet() {
  std::uint64_t count = 0;
  const auto got = ::read(fd_, &count, sizeof count);
  CALL_ASSERT(got == sizeof count || errno == EAGAIN);
}

void Doorbell::wait(Deadline deadline, bool spared) {
  std::unique_lock lock(mutex_);
  const auto wakes = wakes_;
  ++waiting_;
  if (spared) ++spared_;
  call_listener();
  const auto rung = [&] { return rings_ > 0 || (!spared && long_rings_ > 0); };
  wait_on(changed_, lock, deadline, [&] { return rung() || wakes_ != wakes; });
  --waiting_;
  if (spared) --spared_;
  if (!spared && long_rings_ > 0)
    --long_rings_;
  else if (rings_ > 0)
    --rings_;
}

void Doorbell::pause(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto wakes = wakes_;
  wait_on(changed_, lock, deadline, [&] { return wakes_ != wakes; });
}

void Doorbell::ring(bool long_job) {
  {
    std::lock_guard lock(mutex_);
    if (rings_ + long_rings_ >= waiting_) return;
    if (long_job && long_rings_ >= waiting_ - spared_) return;
    ++(long_job ? long_rings_ : rings_);
  }
  changed_.notify_all();
}

void Doorbell::wake_all() {
  {
    std::lock_guard lock(mutex_);
    ++wakes_;
  }
  call_listener();
  changed_.notify_all();
}

int Doorbell::waiting(bool for_long_jobs) const {
  std::lock_guard lock(mutex_);
  const int left = waiting_ - rings_ - long_rings_;
  return for_long_jobs ? std::min(left, waiting_ - spared_ - long_rings_) : left;
}

Crew::Crew(WorkerOptions worker_options, Registry functions)
    : options(std::move(worker_options)),
      registry(std::move(functions)),
      meters(options.metrics, registry),
      queue_list(join(options.queues, ",")) {
  const std::string name =
      options.name.empty() ? fmt::format("{}.{}", host_name(), ::getpid()) : options.name;
  for (int i = 1; i <= options.concurrency; ++i) {
    auto slot = std::make_unique<SlotState>();
    slot->number = i;
    slot->name = options.concurrency == 1 ? name : fmt::format("{}.{}", name, i);
    slot->queues = options.queues;
    slot->spared = i > 1 && i == options.concurrency && options.queues.size() > 1 &&
                   std::erase(slot->queues, options.long_queue) > 0;
    slots.push_back(std::move(slot));
  }
  composite = options.wip_entry != WipEntry::bare;
}

redis::Connection Crew::connect(std::string_view role) const {
  return redis::Connection(options.redis, fmt::format("calld-{}", role));
}

void Crew::note_redis(const Status& status) {
  const bool up = status.ok();
  if (reachable.exchange(up) == up) return;
  if (up) {
    log.info("connected to {}", redis::describe(options.redis));
  } else {
    log.warn("lost Redis, trying again until it is back: {}", status.error().to_string());
  }
}

void Crew::wake_everyone() {
  doorbell.wake_all();
  main_alarm.ring();
  beat_alarm.ring();
  keep_alarm.ring();
}

void ask_to_stop(SlotState& slot, StopReason reason) {
  auto source = slot.running.with([&](auto& running) -> std::optional<std::stop_source> {
    if (!running || running->reason != StopReason::none) return std::nullopt;
    running->reason = reason;
    running->asked = MonoClock::now();
    return running->stop;
  });
  if (source) source->request_stop();  // outside the lock: it runs the function's own callbacks
}

std::chrono::milliseconds Backoff::next() {
  constexpr std::chrono::milliseconds kFirst{100};
  constexpr std::chrono::milliseconds kMost{5000};
  span_ = std::clamp(span_ * 2, kFirst, kMost);
  return span_;
}

}  // namespace call::rq
