// The thread that writes recordings, tapes and records to the spool directory, so that no loop and
// no call ever waits for a disk.
//
// Audio that the disk is too slow or too full for is left out and counted; the rest of the recording
// stays in its place, with silence in the hole. The last `reserve_bytes` of the disk are left to the
// records, which are small: one that cannot be written waits in memory and is tried again until it
// can be. A server that dies leaves <call>.part folders; the next one publishes what they hold.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "core/audio/wav.hpp"
#include "core/base/deadline.hpp"
#include "core/base/pi_mutex.hpp"
#include "core/base/result.hpp"
#include "core/log/log.hpp"
#include "core/media/recording.hpp"
#include "core/metrics/metrics.hpp"
#include "core/record/call_record.hpp"
#include "core/record/redact.hpp"
#include "core/record/tape.hpp"

namespace call::media {

struct SpoolOptions {
  std::filesystem::path dir;
  std::size_t max_waiting_bytes = 64U << 20;  ///< audio of all calls that waits for the disk
  std::uint64_t reserve_bytes = 64U << 20;    ///< of the disk: with less free, no audio is written
  std::chrono::milliseconds look_at_disk{1000};  ///< how often its free space is asked for
  bool tape_calls = false;                       ///< for callctl call replay
  std::uint64_t max_tape_bytes = 128U << 20;     ///< of one call; the tape ends there
  record::Redaction redaction{};
  bool redact_audio = true;  ///< silence in the recording where the redacted words were
};

class Spool {
 public:
  /// Creates the directory, publishes what a server that died had begun (its record says
  /// "server_died"), and starts the thread. Errc::io or Errc::permission when the directory cannot
  /// be written, Errc::conflict when another server has it: what that one is holding must not be
  /// taken for what a dead one left. Blocks.
  static Result<std::unique_ptr<Spool>> start(SpoolOptions options, metrics::Registry& registry);
  /// Writes what is queued, then ends.
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Thread-safe and non-blocking; calls are told apart by call_sid.
  void open(record::CallRecord record);  ///< what is known at the call's start
  /// False: dropped, the disk is too slow.
  bool add(const std::string& call_sid, RecordedBlock block);
  /// False: not taken, the disk is too slow or too full, or the tape is as long as it may be.
  bool add_tape(const std::string& call_sid, record::Track track, std::string bytes);
  void finish(record::CallRecord record);

  /// Waits until everything queued has been written; false at the deadline. Blocks.
  bool drain(Deadline deadline);

 private:
  struct Open {
    record::CallRecord record;
  };
  struct Audio {
    std::string call_sid;
    RecordedBlock block;
  };
  struct Tape {
    std::string call_sid;
    record::Track track;
    std::string bytes;
  };
  struct Finish {
    record::CallRecord record;
  };
  using Job = std::variant<Open, Audio, Tape, Finish>;
  struct Call {
    std::unique_ptr<audio::WavWriter> wav;  ///< null: the disk refused
    std::int64_t end = 0;                   ///< samples of the call so far, written or not
    std::uint64_t lost = 0;                 ///< of these never written
    std::ofstream tape;
    std::uint64_t tape_bytes = 0;
    bool failed = false;  ///< logged once a call
  };

  Spool(SpoolOptions options, metrics::Registry& registry);
  Status own_directory();
  void recover();
  Status recover_call(const std::string& call_sid);
  void run();
  void retry_unwritten(bool last_time);
  bool has_room();
  void wrote(std::size_t bytes);
  void push(Job job);
  void handle(Open&& job);
  void handle(Audio&& job);
  void handle(Tape&& job);
  void handle(Finish&& job);
  Status begin_call(const record::CallRecord& record, Call& call);
  Status write_audio(Call& call, const RecordedBlock& block);
  Status write_tape(Call& call, const Tape& tape);
  Status end_call(Call& call, record::CallRecord& record);
  Status publish(const record::CallRecord& record);
  void report(Call& call, const std::string& call_sid, const Status& status);
  std::filesystem::path part_of(const std::string& call_sid) const;

  SpoolOptions options_;
  log::Logger log_{"media"};
  int dir_fd_ = -1;  ///< its lock says that the directory is ours
  metrics::Counter& records_;
  metrics::Counter& failures_;
  metrics::Counter& dropped_blocks_;
  metrics::Counter& disk_full_ms_;
  metrics::Counter& recovered_;
  metrics::Gauge& waiting_gauge_;
  metrics::Gauge& unwritten_gauge_;
  std::atomic<std::size_t> waiting_bytes_{0};

  // The thread's own.
  std::map<std::string, Call> calls_;
  std::deque<record::CallRecord> unwritten_;  ///< finished, but the disk refused the record
  MonoClock::time_point next_retry_{};
  MonoClock::time_point room_looked_at_{};
  bool room_ = true;

  PiMutex mutex_;
  PiCondition changed_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  bool all_written_ = true;  ///< nothing in unwritten_
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace call::media
