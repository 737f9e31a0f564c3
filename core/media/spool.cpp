#include "core/media/spool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/base/affinity.hpp"
#include "core/record/folder.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::media {
namespace {

namespace fs = std::filesystem;

std::size_t bytes_of(const RecordedBlock& block) {
  return block.callee.size() + block.agent.size();
}

Status make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return {};
  const bool denied = error == std::errc::permission_denied;
  return Error{denied ? Errc::permission : Errc::io,
               fmt::format("cannot create {}: {}", path.string(), error.message())};
}

}  // namespace

Spool::Spool(SpoolOptions options, metrics::Registry& registry)
    : options_(std::move(options)),
      records_(registry.counter("calld_media_records_total", "Call records written to the spool")),
      failures_(registry.counter("calld_media_spool_failures_total",
                                 "Calls whose recording or record could not be written in full")),
      dropped_blocks_(
          registry.counter("calld_media_recording_blocks_dropped_total",
                           "Blocks of recorded audio dropped because the disk was too slow")) {}

Result<std::unique_ptr<Spool>> Spool::start(SpoolOptions options, metrics::Registry& registry) {
  assert_may_block("Spool::start");
  CALL_CHECK(make_directories(options.dir));
  std::unique_ptr<Spool> spool(new Spool(std::move(options), registry));
  spool->recover();
  Spool* self = spool.get();
  spool->thread_ = std::thread([self] {
    runtime::name_this_thread("spool");
    self->run();
  });
  return spool;
}

Spool::~Spool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

fs::path Spool::part_of(const std::string& call_sid) const {
  return options_.dir / (call_sid + std::string(record::kPartSuffix));
}

/// A part folder at start is a call that a killed server was holding: its record was written when
/// it began.
void Spool::recover() {
  std::error_code error;
  std::vector<std::string> orphans;
  for (const auto& item : fs::directory_iterator(options_.dir, error)) {
    if (item.path().extension() == record::kPartSuffix)
      orphans.push_back(item.path().stem().string());
  }
  for (const auto& call_sid : orphans) {
    const auto published = fs::exists(part_of(call_sid) / record::kRecordFile, error)
                               ? record::publish(options_.dir, call_sid)
                               : Status(Error{Errc::not_found, "it has no record"});
    if (published) {
      log_.warn("published the unfinished record of call {}", call_sid);
    } else {
      log_.warn("left {} alone: {}", part_of(call_sid).string(), published.error().to_string());
    }
  }
}

void Spool::push(Job job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void Spool::open(record::CallRecord record) {
  push(Open{std::move(record)});
}

bool Spool::add(const std::string& call_sid, RecordedBlock block) {
  const std::size_t bytes = bytes_of(block);
  if (waiting_bytes_.fetch_add(bytes) + bytes > options_.max_waiting_bytes) {
    waiting_bytes_.fetch_sub(bytes);
    dropped_blocks_.add();
    return false;
  }
  push(Audio{call_sid, std::move(block)});
  return true;
}

void Spool::finish(record::CallRecord record) {
  push(Finish{std::move(record)});
}

bool Spool::drain(Deadline deadline) {
  assert_may_block("Spool::drain");
  std::unique_lock lock(mutex_);
  const auto done = [this] { return jobs_.empty() && !busy_; };
  if (!deadline.is_never()) return changed_.wait_until(lock, deadline.point(), done);
  changed_.wait(lock, done);
  return true;
}

void Spool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    std::visit([this](auto&& j) { handle(std::forward<decltype(j)>(j)); }, std::move(job));
    lock.lock();
    busy_ = false;
    if (jobs_.empty()) changed_.notify_all();
  }
}

void Spool::report(Call& call, const std::string& call_sid, const Status& status) {
  if (status || call.failed) return;
  call.failed = true;
  failures_.add();
  log_.error("call {}: {}; the call goes on, its record is incomplete", call_sid,
             status.error().to_string());
}

void Spool::handle(Open&& job) {
  Call& call = calls_[job.record.call_sid];
  report(call, job.record.call_sid, begin_call(job.record, call));
}

Status Spool::begin_call(const record::CallRecord& record, Call& call) {
  const auto part = part_of(record.call_sid);
  CALL_CHECK(make_directories(part));
  CALL_CHECK(record::write_texts(part, record));
  audio::WavFormat format;
  format.channels = 2;
  CALL_TRY(auto wav, audio::WavWriter::create(part / record::kAudioFile, format));
  call.wav = std::make_unique<audio::WavWriter>(std::move(wav));
  return {};
}

void Spool::handle(Audio&& job) {
  waiting_bytes_.fetch_sub(bytes_of(job.block));
  const auto at = calls_.find(job.call_sid);
  if (at == calls_.end() || at->second.wav == nullptr) return;
  report(at->second, job.call_sid, write_audio(at->second, job.block));
}

Status Spool::write_audio(Call& call, const RecordedBlock& block) {
  const auto written = static_cast<std::int64_t>(call.wav->samples());
  if (block.position > written) {  // blocks before this one were dropped
    const audio::Pcm silence(static_cast<std::size_t>(block.position - written));
    CALL_CHECK(call.wav->write(silence, silence));
  }
  return call.wav->write(audio::mulaw_decode(audio::MulawView(block.callee)),
                         audio::mulaw_decode(audio::MulawView(block.agent)));
}

void Spool::handle(Finish&& job) {
  Call& call = calls_[job.record.call_sid];
  const auto ended = end_call(call, job.record);
  report(call, job.record.call_sid, ended);
  if (ended) {
    records_.add();
    log_.debug("call {}: record written", job.record.call_sid);
  }
  calls_.erase(job.record.call_sid);
}

Status Spool::end_call(Call& call, const record::CallRecord& record) {
  const auto closed = call.wav ? call.wav->close() : Status();
  CALL_CHECK(make_directories(part_of(record.call_sid)));
  CALL_CHECK(record::write_texts(part_of(record.call_sid), record));
  CALL_CHECK(record::publish(options_.dir, record.call_sid));
  return closed;
}

}  // namespace call::media
