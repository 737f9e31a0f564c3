// The thread that writes recordings and records to the spool directory, so that no loop and no call
// ever waits for a disk. Audio that the disk is too slow for is dropped and counted; the rest of
// the recording stays in its place. A record is never dropped: when it cannot be written, that is
// an error in the log and in the metrics.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "core/audio/wav.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/log/log.hpp"
#include "core/media/recording.hpp"
#include "core/metrics/metrics.hpp"
#include "core/record/call_record.hpp"

namespace call::media {

struct SpoolOptions {
  std::filesystem::path dir;
  std::size_t max_waiting_bytes = 64U << 20;  ///< audio of all calls that waits for the disk
};

class Spool {
 public:
  /// Creates the directory, publishes what a server that died had begun (its record says
  /// "server_died"), and starts the thread. Errc::io or Errc::permission when the directory cannot
  /// be written. Blocks.
  static Result<std::unique_ptr<Spool>> start(SpoolOptions options, metrics::Registry& registry);
  /// Writes what is queued, then ends.
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Thread-safe and non-blocking; calls are told apart by call_sid.
  void open(record::CallRecord record);  ///< what is known at the call's start
  /// False: dropped, the disk is too slow.
  bool add(const std::string& call_sid, RecordedBlock block);
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
  struct Finish {
    record::CallRecord record;
  };
  using Job = std::variant<Open, Audio, Finish>;
  struct Call {
    std::unique_ptr<audio::WavWriter> wav;  ///< null: the disk refused
    bool failed = false;                    ///< logged once a call
  };

  Spool(SpoolOptions options, metrics::Registry& registry);
  void recover();
  void run();
  void push(Job job);
  void handle(Open&& job);
  void handle(Audio&& job);
  void handle(Finish&& job);
  Status begin_call(const record::CallRecord& record, Call& call);
  Status write_audio(Call& call, const RecordedBlock& block);
  Status end_call(Call& call, const record::CallRecord& record);
  void report(Call& call, const std::string& call_sid, const Status& status);
  std::filesystem::path part_of(const std::string& call_sid) const;

  SpoolOptions options_;
  log::Logger log_{"media"};
  metrics::Counter& records_;
  metrics::Counter& failures_;
  metrics::Counter& dropped_blocks_;
  std::atomic<std::size_t> waiting_bytes_{0};
  std::map<std::string, Call> calls_;  ///< the thread's own

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace call::media
