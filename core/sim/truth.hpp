// The truth about each call on disk: <dir>/<CallSid>/events.jsonl and call.wav. The loop hands over
// what happened in portions; one thread writes. Losing a portion because the disk is too slow is
// counted, never waited for.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/audio/format.hpp"
#include "core/runtime/thread_pool.hpp"

namespace call::sim {

class TruthWriter {
 public:
  explicit TruthWriter(std::filesystem::path dir);  ///< empty: nothing is written
  bool enabled() const { return !dir_.empty(); }
  const std::filesystem::path& dir() const { return dir_; }
  bool submit(std::function<void()> task);
  std::uint64_t lost() const { return lost_; }
  void stop() { pool_.join(); }

 private:
  std::filesystem::path dir_;
  std::atomic<std::uint64_t> lost_{0};
  runtime::ThreadPool pool_;
};

/// One call's log, on the loop. Its end writes the rest and completes the files.
class TruthLog {
 public:
  TruthLog(TruthWriter& writer, const std::string& call_sid);
  ~TruthLog();
  TruthLog(const TruthLog&) = delete;
  TruthLog& operator=(const TruthLog&) = delete;

  /// `fields`: a JSON object's members; "ms" (of the call) and "event" come first.
  void event(std::int64_t ms, const char* name, const nlohmann::ordered_json& fields);
  void event(std::int64_t ms, const char* name);
  /// 20 ms of both directions.
  void audio(const audio::MulawFrame& said, const audio::MulawFrame& heard);
  void flush();

 private:
  struct Files;
  TruthWriter& writer_;
  std::shared_ptr<Files> files_;
  std::string lines_;
  audio::Mulaw said_;
  audio::Mulaw heard_;
};

}  // namespace call::sim
