#include "core/media/spool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/base/affinity.hpp"
#include "core/record/folder.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::media {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kRetryPeriod{2};
constexpr std::size_t kMaxUnwritten = 2000;  ///< a few kilobytes each

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
                           "Blocks of recorded audio dropped because the disk was too slow")),
      disk_full_ms_(registry.counter("calld_media_recording_lost_milliseconds_total",
                                     "Recorded audio left out because the disk was full")),
      recovered_(registry.counter("calld_media_records_recovered_total",
                                  "Records of calls that a killed server was holding")),
      waiting_gauge_(registry.gauge("calld_media_spool_waiting_bytes",
                                    "Audio and tapes in memory that wait for the disk")),
      unwritten_gauge_(registry.gauge("calld_media_records_waiting",
                                      "Finished records that the disk does not take yet")) {}

Result<std::unique_ptr<Spool>> Spool::start(SpoolOptions options, metrics::Registry& registry) {
  assert_may_block("Spool::start");
  CALL_CHECK(make_directories(options.dir));
  std::unique_ptr<Spool> spool(new Spool(std::move(options), registry));
  CALL_CHECK(spool->own_directory());
  spool->recover();
  Spool* self = spool.get();
  spool->thread_ = std::thread([self] {
    runtime::name_this_thread("spool");
    self->run();
  });
  return spool;
}

Spool::~Spool() {
  assert_may_block("~Spool");
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (dir_fd_ >= 0) ::close(dir_fd_);
}

/// A lock that ends with the process, however it ends. A file system that has no locks is used without.
Status Spool::own_directory() {
  dir_fd_ = ::open(options_.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd_ < 0 || ::flock(dir_fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return {};
  return Error{Errc::conflict,
               fmt::format("{} is the spool of another calld media that runs; give each one a "
                           "media.spool_dir of its own",
                           options_.dir.string())};
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
    if (const auto recovered = recover_call(call_sid); recovered) {
      recovered_.add();
      log_.warn("published the unfinished record of call {}", call_sid);
    } else {
      failures_.add();
      log_.error("left {} alone: {}", part_of(call_sid).string(), recovered.error().to_string());
    }
  }
}

/// The recording is whole up to its last sync; what to mask in it died with the conversation.
Status Spool::recover_call(const std::string& call_sid) {
  const auto part = part_of(call_sid);
  std::error_code error;
  if (!fs::exists(part / record::kRecordFile, error)) {
    return Error{Errc::not_found, "it has no record"};
  }
  CALL_TRY(auto record, record::read_folder(part));
  if (options_.redaction.active() && options_.redact_audio) {
    fs::remove(part / record::kAudioFile, error);
    fs::remove(part / record::kTapeFile, error);
    record.recording.removed = "the server died, so what to redact in it is not known";
  } else if (const auto wav = audio::read_wav(part / record::kAudioFile)) {
    record.recording.samples = wav->samples.size() / 2;
    record.duration_ms = static_cast<std::int64_t>(record.recording.samples / audio::kSamplesPerMs);
  }
  CALL_CHECK(record::write_texts(part, record));
  return record::publish(options_.dir, call_sid);
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
  waiting_gauge_.add(static_cast<std::int64_t>(bytes));
  push(Audio{call_sid, std::move(block)});
  return true;
}

bool Spool::add_tape(const std::string& call_sid, record::Track track, std::string bytes) {
  const std::size_t size = bytes.size();
  if (waiting_bytes_.fetch_add(size) + size > options_.max_waiting_bytes) {
    waiting_bytes_.fetch_sub(size);
    return false;
  }
  waiting_gauge_.add(static_cast<std::int64_t>(size));
  push(Tape{call_sid, track, std::move(bytes)});
  return true;
}

void Spool::finish(record::CallRecord record) {
  push(Finish{std::move(record)});
}

bool Spool::drain(Deadline deadline) {
  assert_may_block("Spool::drain");
  std::unique_lock lock(mutex_);
  const auto done = [this] { return jobs_.empty() && !busy_ && all_written_; };
  if (!deadline.is_never()) return changed_.wait_until(lock, deadline.point(), done);
  changed_.wait(lock, done);
  return true;
}

void Spool::run() {
  assert_may_block("Spool::run");
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto something = [this] { return stopping_ || !jobs_.empty(); };
    if (all_written_) {
      changed_.wait(lock, something);
    } else {
      changed_.wait_until(lock, MonoClock::now() + kRetryPeriod, something);
    }
    const bool last = jobs_.empty() && stopping_;
    std::optional<Job> job;
    if (!jobs_.empty()) {
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    busy_ = true;
    lock.unlock();
    if (job)
      std::visit([this](auto&& j) { handle(std::forward<decltype(j)>(j)); }, *std::move(job));
    retry_unwritten(last);
    lock.lock();
    busy_ = false;
    all_written_ = unwritten_.empty();
    if (jobs_.empty()) changed_.notify_all();
    if (last) return;
  }
}

/// Oldest first, until the disk refuses again.
void Spool::retry_unwritten(bool last_time) {
  if (!last_time && MonoClock::now() < next_retry_) return;
  next_retry_ = MonoClock::now() + kRetryPeriod;
  while (!unwritten_.empty()) {
    const auto written = publish(unwritten_.front());
    if (!written) {
      if (!last_time) return;
      log_.error("call {}: its record is lost: {}", unwritten_.front().call_sid,
                 written.error().to_string());
    }
    unwritten_.pop_front();
    unwritten_gauge_.sub();
  }
}

/// Looked at once a second, not for every block.
bool Spool::has_room() {
  const auto now = MonoClock::now();
  if (now - room_looked_at_ < options_.look_at_disk) return room_;
  room_looked_at_ = now;
  std::error_code error;
  const auto space = fs::space(options_.dir, error);
  const bool before = std::exchange(room_, error || space.available > options_.reserve_bytes);
  if (before && !room_) {
    log_.error("{} has less than {} MiB free: recordings have holes until it has more",
               options_.dir.string(), options_.reserve_bytes >> 20);
  } else if (!before && room_) {
    log_.info("{} has room again: recordings go on", options_.dir.string());
  }
  return room_;
}

void Spool::report(Call& call, const std::string& call_sid, const Status& status) {
  if (status || call.failed) return;
  call.failed = true;
  failures_.add();
  log_.error("call {}: {}; the call goes on, its record is incomplete", call_sid,
             status.error().to_string());
}

void Spool::wrote(std::size_t bytes) {
  waiting_bytes_.fetch_sub(bytes);
  waiting_gauge_.sub(static_cast<std::int64_t>(bytes));
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
  // Each block goes to the kernel as it comes: the writer's buffer would be the largest part of a call.
  constexpr std::uint64_t kAtOnce = 1;
  CALL_TRY(auto wav, audio::WavWriter::create(part / record::kAudioFile, format, kAtOnce));
  call.wav = std::make_unique<audio::WavWriter>(std::move(wav));
  return {};
}

void Spool::handle(Audio&& job) {
  wrote(bytes_of(job.block));
  const auto at = calls_.find(job.call_sid);
  if (at == calls_.end()) return;
  Call& call = at->second;
  call.end = job.block.position + static_cast<std::int64_t>(job.block.callee.size());
  if (call.wav == nullptr || !has_room()) {
    disk_full_ms_.add(job.block.callee.size() / audio::kSamplesPerMs);
    return;
  }
  report(call, job.call_sid, write_audio(call, job.block));
}

Status Spool::write_audio(Call& call, const RecordedBlock& block) {
  const auto written = static_cast<std::int64_t>(call.wav->samples());
  if (block.position > written) {  // blocks before this one were dropped
    const audio::Pcm silence(static_cast<std::size_t>(block.position - written));
    call.lost += silence.size();
    CALL_CHECK(call.wav->write(silence, silence));
  }
  return call.wav->write(audio::mulaw_decode(audio::MulawView(block.callee)),
                         audio::mulaw_decode(audio::MulawView(block.agent)));
}

void Spool::handle(Tape&& job) {
  wrote(job.bytes.size());
  const auto at = calls_.find(job.call_sid);
  if (at == calls_.end() || !options_.tape_calls) return;
  report(at->second, job.call_sid, write_tape(at->second, job));
}

Status Spool::write_tape(Call& call, const Tape& tape) {
  const auto path = part_of(tape.call_sid) / record::kTapeFile;
  if (call.tape_bytes == 0) {
    call.tape.open(path, std::ios::binary | std::ios::trunc);
    call.tape << record::kTapeMagic;
  }
  if (!call.tape.is_open()) return {};  // it ended before
  call.tape_bytes += tape.bytes.size();
  if (call.tape_bytes > options_.max_tape_bytes || !has_room()) {
    call.tape.close();
    return Error{Errc::limit, "its tape ends early"};
  }
  // Flushed, so that a killed server leaves what it has: the kernel keeps it.
  call.tape << record::tape_chunk(tape.track, tape.bytes) << std::flush;
  if (call.tape) return {};
  call.tape.close();
  return Error{Errc::io, "cannot write " + path.string()};
}

void Spool::handle(Finish&& job) {
  Call& call = calls_[job.record.call_sid];
  const auto ended = end_call(call, job.record);
  report(call, job.record.call_sid, ended);
  if (ended) log_.debug("call {}: record written", job.record.call_sid);
  calls_.erase(job.record.call_sid);
}

/// What cannot be written now waits; a record of a call whose folder exists already never can.
Status Spool::end_call(Call& call, record::CallRecord& record) {
  call.tape.close();
  auto& recording = record.recording;
  const auto closed = call.wav ? call.wav->close() : Status();
  if (call.wav) recording.samples = call.wav->synced_samples();
  const auto missing = call.end - static_cast<std::int64_t>(recording.samples);
  recording.lost_samples =
      call.lost + static_cast<std::uint64_t>(std::max<std::int64_t>(missing, 0));
  auto spans = record::redact(record, options_.redaction);
  if (options_.redact_audio) recording.masked = std::move(spans);
  const auto published = publish(record);
  if (published) return closed;
  if (published.error().code == Errc::conflict || unwritten_.size() >= kMaxUnwritten) {
    return published;
  }
  unwritten_.push_back(record);
  unwritten_gauge_.add();
  return Error{published.error().code,
               published.error().context + "; its record waits until the disk takes it"};
}

/// Masks the audio, writes the record, renames the folder. May be tried again.
Status Spool::publish(const record::CallRecord& record) {
  const auto part = part_of(record.call_sid);
  CALL_CHECK(make_directories(part));
  for (const auto& span : record.recording.masked) {
    if (record.recording.samples == 0) break;
    CALL_CHECK(audio::silence(part / record::kAudioFile,
                              span.track == record::Speaker::agent ? 1 : 0, span.start_ms * 8,
                              span.end_ms * 8));
  }
  CALL_CHECK(record::write_texts(part, record));
  CALL_CHECK(record::publish(options_.dir, record.call_sid));
  records_.add();
  return {};
}

}  // namespace call::media
