#include "core/rq/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/rq/crew.hpp"

namespace call::rq {
namespace {

constexpr int kMaxConcurrency = 256;
constexpr std::chrono::seconds kHooksAfterBurst{30};
constexpr std::chrono::seconds kHooksAtEnd{2};

Status check(const WorkerOptions& options) {
  const auto bad = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  if (options.queues.empty()) return bad("a worker needs at least one queue");
  for (const auto& queue : options.queues)
    if (queue.empty() || queue.find(',') != std::string::npos)
      return bad(fmt::format("\"{}\" is no queue name", queue));
  if (options.concurrency < 1 || options.concurrency > kMaxConcurrency)
    return bad(fmt::format("the concurrency must be 1 to {}", kMaxConcurrency));
  // Leases end at whole seconds, so up to one second of each is lost.
  if (options.heartbeat_every * 2 + std::chrono::seconds(1) > options.lease)
    return bad("the lease must be at least two heartbeats and a second long");
  if (options.worker_ttl <= options.lease) return bad("the worker's ttl must exceed the lease");
  return {};
}

}  // namespace

class Worker::Impl {
 public:
  Impl(WorkerOptions options, Registry registry) : crew_(std::move(options), std::move(registry)) {}

  Status run();
  Crew& crew() { return crew_; }

 private:
  Status prepare();
  Status add_alias(const std::string& name, const std::string& target);
  Status come_to_life();
  void work();
  void drain();
  bool all_ended() const;
  void wait_for_slots(Deadline deadline);
  [[noreturn]] void end_without_functions();

  Crew crew_;
};

Status Worker::Impl::prepare() {
  CALL_CHECK(check(crew_.options));
  for (const auto& [name, target] : crew_.options.aliases)
    CALL_CHECK(add_alias(name, target).with_context(fmt::format("the job function {}", name)));
  return {};
}

Status Worker::Impl::add_alias(const std::string& name, const std::string& target) {
  if (!is_exec(target)) return crew_.registry.alias(name, target);
  if (crew_.registry.find(name) != nullptr)
    return Error{Errc::conflict, "this worker has it already"};
  CALL_TRY(auto function, exec_function(target, crew_.options.exec));
  crew_.registry.add(name, std::move(function));
  return {};
}

/// Registers all slots; waits for Redis as long as nobody wants us to stop.
Status Worker::Impl::come_to_life() {
  auto connection = crew_.connect("birth");
  Backoff backoff;
  const auto attempt = [&]() -> Status {
    CALL_CHECK(connection.ensure_connected(Deadline::after(kRedisPatience)));
    for (const auto& slot : crew_.slots) CALL_CHECK(refuse_taken_name(connection, *slot));
    for (const auto& slot : crew_.slots) CALL_CHECK(register_worker(connection, crew_, *slot));
    return keep_once(connection, crew_);
  };
  crew_.reachable = true;  // so that the first failure is news
  while (true) {
    auto status = attempt();
    if (status || status.error().code == Errc::conflict || crew_.options.burst) return status;
    crew_.note_redis(status);
    if (crew_.stop_requests > 0) return {};
    crew_.doorbell.pause(Deadline::after(backoff.next()));
  }
}

Status Worker::Impl::run() {
  assert_may_block("rq::Worker::run");
  CALL_CHECK(prepare());
  CALL_CHECK(come_to_life());
  crew_.log.info("{} slots work on {}", crew_.slots.size(), crew_.queue_list);
  work();
  auto error =
      crew_.burst_error.with([](auto& first) { return std::exchange(first, std::nullopt); });
  if (error) return *std::move(error);
  return {};
}

void Worker::Impl::work() {
  std::vector<std::thread> helpers;
  for (auto* body : {&run_beat, &run_listener, &run_keeper})
    helpers.emplace_back([this, body] { body(crew_); });
  std::vector<std::thread> workers;
  for (const auto& slot : crew_.slots)
    workers.emplace_back([this, state = slot.get()] { run_slot(crew_, *state); });

  while (crew_.stop_requests == 0 && !all_ended()) crew_.main_alarm.wait(Deadline::never());
  if (!all_ended()) drain();

  for (auto& thread : workers) thread.join();
  crew_.ending = true;
  crew_.wake_everyone();
  for (auto& thread : helpers) thread.join();
  crew_.hooks.finish(Deadline::after(crew_.options.burst ? kHooksAfterBurst : kHooksAtEnd));
}

bool Worker::Impl::all_ended() const {
  return std::all_of(crew_.slots.begin(), crew_.slots.end(),
                     [](const auto& slot) { return slot->ended.load(); });
}

void Worker::Impl::wait_for_slots(Deadline deadline) {
  const int requests = crew_.stop_requests;
  while (!all_ended() && !deadline.passed() && crew_.stop_requests == requests)
    crew_.main_alarm.wait(deadline);
}

void Worker::Impl::drain() {
  crew_.log.info("draining: no new jobs, running ones may end");
  if (crew_.stop_requests == 1) wait_for_slots(Deadline::after(crew_.options.drain_grace));
  if (all_ended()) return;

  for (const auto& slot : crew_.slots) ask_to_stop(*slot, StopReason::draining);
  wait_for_slots(Deadline::after(crew_.options.overrun_grace));
  crew_.give_up = true;
  crew_.doorbell.wake_all();
  const bool stuck = std::any_of(crew_.slots.begin(), crew_.slots.end(), [](const auto& slot) {
    return !slot->ended && slot->running.with([](const auto& job) { return job.has_value(); });
  });
  if (stuck) wait_for_slots(Deadline::after(std::chrono::seconds(1)));
  if (stuck && !all_ended()) end_without_functions();
}

/// Threads cannot be ended from outside, so the process ends; first Redis is put right.
void Worker::Impl::end_without_functions() {
  auto connection = crew_.connect("end");
  const auto connected = connection.ensure_connected(Deadline::after(std::chrono::seconds(2)));
  for (const auto& slot : crew_.slots) {
    const auto job = slot->running.with([](const auto& running) { return running; });
    if (connected && job && !job->settled) {
      const auto settled =
          settle(connection, crew_, *slot, *job,
                 outcome_of_stop(StopReason::draining, job->deadline, job->started));
      crew_.log.error("the function of job {} ignores the request to stop; the job was {}",
                      job->job_id, settled ? *settled : "not given back");
    }
    if (connected && !sign_off(connection, *slot)) break;
  }
  std::_Exit(EXIT_FAILURE);
}

Worker::Worker(WorkerOptions options, Registry registry)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(registry))) {}
Worker::~Worker() = default;

Status Worker::run() {
  return impl_->run();
}

void Worker::request_stop() {
  Crew& crew = impl_->crew();
  for (const auto& slot : crew.slots) slot->retire = true;
  ++crew.stop_requests;
  crew.wake_everyone();
}

WorkerStatus Worker::status() const {
  const Crew& crew = impl_->crew();
  WorkerStatus out;
  out.redis_reachable = crew.reachable;
  out.slots = static_cast<int>(crew.slots.size());
  for (const auto& slot : crew.slots)
    out.busy += slot->running.with([](const auto& job) { return job ? 1 : 0; });
  out.draining = crew.stop_requests > 0;
  return out;
}

std::vector<std::string> Worker::names() const {
  std::vector<std::string> out;
  for (const auto& slot : impl_->crew().slots) out.push_back(slot->name);
  return out;
}

}  // namespace call::rq
