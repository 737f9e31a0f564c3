// Inside core/rq: what the threads of one worker share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/base/guarded.hpp"
#include "core/log/log.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/hooks.hpp"
#include "core/rq/meters.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/worker.hpp"

namespace call::rq {

/// Every exchange with Redis in the worker; longer means that Redis is as good as away.
inline constexpr std::chrono::seconds kRedisPatience{5};

/// Wakes one thread that waits; a ring before the wait is not lost.
class Alarm {
 public:
  void ring();
  void wait(Deadline deadline);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

/// Where idle slots wait for jobs, and where the listener learns that they do.
class Doorbell {
 public:
  Doorbell();
  ~Doorbell();
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  /// Until one ring, wake_all() or the deadline. `spared`: not for jobs of the long queue.
  void wait(Deadline deadline, bool spared = false);
  /// The same, but not to be woken by a job: for back-off and suspension.
  void pause(Deadline deadline);
  /// A job has come: wakes one waiting slot, or for one of the long queue one that is not spared.
  void ring(bool long_job = false);
  void wake_all();  ///< something else has changed
  /// How many wait, or how many for jobs of the long queue, too.
  int waiting(bool for_long_jobs = false) const;
  /// Readable once a slot has begun to wait, or everybody was woken, since the last quiet().
  int fd() const { return fd_; }
  void quiet();

 private:
  void call_listener();

  int fd_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;  // all of them
  int spared_ = 0;   // of them those who are spared
  int rings_ = 0;    // for any of them
  int long_rings_ = 0;
  std::uint64_t wakes_ = 0;
};

/// `lost`: others count the job as abandoned, and it will run again or runs already.
enum class StopReason { none, timeout, stopped, killed, draining, lost };

struct Callback {
  std::string name{};  ///< empty: none
  std::chrono::seconds timeout{60};
};

/// How a job ended.
struct Outcome {
  std::string_view kind;  ///< finished, failed, stopped, requeued, again (it asked for a retry)
  std::string value{};    ///< encoded return value or failure text
  std::string reason{};   ///< one line for the log
  std::string text{};     ///< the failure text as people read it
  std::optional<Retry> retry{};  ///< of "again"
};

/// A job that a slot works on.
struct Running {
  std::string job_id;
  std::string queue;
  std::string execution;
  std::string member;                          ///< of the started registry
  std::string function;                        ///< once its data was read
  Serializer serializer = Serializer::pickle;  ///< the same
  Callback on_failure;                         ///< empty as well once it was begun
  Callback on_stopped;
  std::string webhooks;     ///< JSON as enqueued; empty: none
  std::string enqueued_at;  ///< for webhooks
  WallTime since;
  MonoClock::time_point started;
  Deadline deadline = Deadline::never();
  std::stop_source stop;
  StopReason reason = StopReason::none;
  MonoClock::time_point asked;      ///< when the stop was requested
  std::optional<Outcome> if_stuck;  ///< its end should the callback that runs now never return
  bool settling = false;            ///< the function has returned
  bool settled = false;             ///< ended in Redis although the function has not returned
  bool lease_lost = false;
};

struct SlotState {
  int number = 0;
  std::string name;
  std::vector<std::string> queues;  ///< that it takes jobs from
  bool spared = false;              ///< the long queue is not among them
  std::atomic<bool> retire{false};  ///< take no more jobs
  std::atomic<bool> ended{false};
  Guarded<std::optional<Running>> running;
};

struct Crew {
  Crew(WorkerOptions worker_options, Registry functions);

  WorkerOptions options;
  Registry registry;
  log::Logger log{"rq"};
  Meters meters;
  std::string queue_list;  ///< comma list
  std::vector<std::unique_ptr<SlotState>> slots;

  Doorbell doorbell;
  Alarm main_alarm;
  Alarm beat_alarm;
  Alarm keep_alarm;
  std::atomic<int> stop_requests{0};
  std::atomic<bool> ending{false};   ///< the helper threads end
  std::atomic<bool> give_up{false};  ///< do not wait for Redis any longer
  std::atomic<bool> composite{true};
  /// The newest type of result that every RQ worker here can read: 2, 4 (RQ 2.1) or 5 (RQ 2.8).
  std::atomic<int> newest_result{2};
  /// When the beat thread looks at the slots by itself: who needs it earlier rings.
  std::atomic<MonoClock::time_point> next_beat{MonoClock::time_point{}};
  std::atomic<bool> reachable{false};
  Guarded<std::optional<Error>> burst_error;
  Hooks hooks;

  redis::Connection connect(std::string_view role) const;
  /// Logs when Redis goes away and when it is back, not each failure in between.
  void note_redis(const Status& status);
  void wake_everyone();
};

/// Asks the slot's function to stop, once; the first reason stays.
void ask_to_stop(SlotState& slot, StopReason reason);

/// Grows from 100 ms to 5 s.
class Backoff {
 public:
  std::chrono::milliseconds next();
  void reset() { span_ = std::chrono::milliseconds(0); }

 private:
  std::chrono::milliseconds span_{0};
};

/// The words that settle a job, for scripts::turn().
redis::Command settling_words(const Crew& crew, const SlotState& slot, const Running& job,
                              const Outcome& outcome);
/// Counts and logs an end that Redis has confirmed, and sends the job's webhooks.
void note_end(Crew& crew, const SlotState& slot, const Running& job, const Outcome& outcome,
              std::string_view end);
/// Both, on its own; what became of the job ("retried", ...).
Result<std::string> settle(redis::Connection& connection, Crew& crew, const SlotState& slot,
                           const Running& job, const Outcome& outcome);
/// The outcome of a function that was asked to stop and did not, or said that it did. `detail`: what
/// it had to say.
Outcome outcome_of_stop(StopReason reason, Deadline deadline, MonoClock::time_point started,
                        std::string_view detail = {});
/// Shaped like a Python traceback: its last line is "type: message", `detail` stands above it.
Outcome failure(std::string_view function, std::string_view type, std::string_view message,
                std::string_view detail = {});

/// Birth and death of a slot as an RQ worker.
Status refuse_taken_name(redis::Connection& connection, const SlotState& slot);
Status register_worker(redis::Connection& connection, const Crew& crew, const SlotState& slot);
Status sign_off(redis::Connection& connection, const SlotState& slot);

/// The threads' bodies.
void run_slot(Crew& crew, SlotState& slot);
void run_beat(Crew& crew);
void run_listener(Crew& crew);
void run_keeper(Crew& crew);
/// One round of due jobs and maintenance.
Status keep_once(redis::Connection& connection, Crew& crew);

}  // namespace call::rq
