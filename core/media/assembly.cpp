#include "core/media/assembly.hpp"

#include <utility>

namespace call::media {

RecordAssembly::RecordAssembly(bool has_handler, File file)
    : handler_done_(!has_handler), file_(std::move(file)) {}

void RecordAssembly::session_ended(record::CallRecord record) {
  {
    std::lock_guard lock(mutex_);
    if (session_done_) return;
    session_done_ = true;
    record_ = std::move(record);
  }
  file_if_complete();
}

void RecordAssembly::handler_ended(HandlerReport report) {
  {
    std::lock_guard lock(mutex_);
    if (handler_done_) return;
    handler_done_ = true;
    report_ = std::move(report);
  }
  file_if_complete();
}

void RecordAssembly::file_if_complete() {
  File file;
  {
    std::lock_guard lock(mutex_);
    if (!session_done_ || !handler_done_) return;
    file = std::exchange(file_, nullptr);
    record_.turns = std::move(report_.turns);
    record_.waterfalls = std::move(report_.waterfalls);
    record_.answers = std::move(report_.answers);
    record_.outcome = std::move(report_.outcome);
    record_.counters.false_barge_ins = report_.false_barge_ins;
    for (const auto& [reason, count] : report_.drops) record_.counters.drops[reason] += count;
  }
  if (file) file(std::move(record_));
}

}  // namespace call::media
