// Two sides know a call: its session (times, counters) and its handler (turns, answers). The second
// one to end hands the finished record over. Thread-safe; nothing is waited for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/pi_mutex.hpp"
#include "core/record/call_record.hpp"

namespace call::media {

/// What a call's handler contributes to the record.
struct HandlerReport {
  std::vector<record::Turn> turns;
  std::vector<record::Waterfall> waterfalls;
  std::map<std::string, std::string> answers;
  std::string outcome;
  std::uint64_t false_barge_ins = 0;
  std::map<std::string, std::uint64_t> drops;  ///< by reason, as the session's
};

class RecordAssembly {
 public:
  using File = std::function<void(record::CallRecord)>;

  /// `file` runs once, on the thread of the side that ends last; it must not block.
  RecordAssembly(bool has_handler, File file);

  void session_ended(record::CallRecord record);  ///< once
  void handler_ended(HandlerReport report);       ///< once; later calls are ignored

 private:
  void file_if_complete();

  PiMutex mutex_;  ///< a loop must not wait for a handler that is put aside
  bool session_done_ = false;
  bool handler_done_ = false;
  record::CallRecord record_;
  HandlerReport report_;
  File file_;
};

}  // namespace call::media
