// The spool on a real directory: exact tracks, masked words, servers that die.
#include "core/media/spool.hpp"

#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <csignal>

#include "core/audio/g711.hpp"
#include "core/base/files.hpp"
#include "core/record/folder.hpp"
#include "tests/support/scratch_dir.hpp"

using namespace call;
using namespace call::media;
namespace fs = std::filesystem;

namespace {

constexpr std::uint8_t kCallee = 0x20;
constexpr std::uint8_t kAgent = 0x30;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(30));
}

record::CallRecord record_of(const std::string& call_sid, const std::string& reason = "completed") {
  record::CallRecord record;
  record.call_sid = call_sid;
  record.agent = "survey";
  record.started_at = wall_now();
  record.end_reason = reason;
  return record;
}

RecordedBlock block(std::int64_t position, std::size_t samples) {
  return {position, audio::Mulaw(samples, kCallee), audio::Mulaw(samples, kAgent)};
}

struct Bench {
  explicit Bench(SpoolOptions options = {}) {
    options.dir = dir.path() / "spool";
    options.reserve_bytes = 0;
    auto started = Spool::start(options, registry);
    if (!started) FAIL(started.error().to_string());
    spool = std::move(*started);
  }
  fs::path folder(const std::string& call_sid) const { return dir.path() / "spool" / call_sid; }
  audio::Wav wav(const std::string& call_sid) const {
    auto read = audio::read_wav(folder(call_sid) / record::kAudioFile);
    if (!read) FAIL(read.error().to_string());
    return std::move(*read);
  }

  support::ScratchDir dir;
  metrics::Registry registry;
  std::unique_ptr<Spool> spool;
};

/// Runs in a child process that dies by SIGKILL in the middle of the call, as a server would.
template <class F>
void killed_child(F body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    body();
    ::raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("media.spool: a directory has one server, and its calls are not published by a second") {
  Bench bench;
  bench.spool->open(record_of("CA1"));
  REQUIRE(bench.spool->drain(soon()));
  SpoolOptions options;
  options.dir = bench.dir.path() / "spool";
  metrics::Registry registry;
  const auto second = Spool::start(options, registry);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::conflict);
  CHECK(fs::exists(options.dir / "CA1.part"));
  bench.spool.reset();
  CHECK(Spool::start(options, registry));
}

TEST_CASE("media.spool: both tracks by sample count, holes filled with silence of their length") {
  Bench bench;
  bench.spool->open(record_of("CA1", "server_died"));
  CHECK(bench.spool->add("CA1", block(0, 8000)));
  CHECK(bench.spool->add("CA1", block(8000, 123)));
  CHECK(bench.spool->add("CA1", block(10000, 8000)));  // 1877 samples were dropped on the way
  bench.spool->finish(record_of("CA1"));
  REQUIRE(bench.spool->drain(soon()));

  const auto wav = bench.wav("CA1");
  CHECK(wav.format.channels == 2);
  const auto callee = wav.channel(0);
  const auto agent = wav.channel(1);
  REQUIRE(callee.size() == 18000);
  REQUIRE(agent.size() == 18000);
  for (std::size_t i = 0; i < callee.size(); ++i) {
    const bool hole = i >= 8123 && i < 10000;
    if (callee[i] != (hole ? 0 : audio::mulaw_decode(kCallee))) FAIL("callee at " << i);
    if (agent[i] != (hole ? 0 : audio::mulaw_decode(kAgent))) FAIL("agent at " << i);
  }
  const auto record = record::read_folder(bench.folder("CA1"));
  REQUIRE(record);
  CHECK(record->end_reason == "completed");
  CHECK(record->recording.samples == 18000);
  CHECK(record->recording.lost_samples == 1877);
}

TEST_CASE("media.spool: redacted words are silent in their track and nowhere else") {
  SpoolOptions options;
  options.redaction.digits = 4;
  Bench bench(options);
  bench.spool->open(record_of("CA1"));
  bench.spool->add("CA1", block(0, 5 * 8000));
  auto record = record_of("CA1");
  record::Turn turn;
  turn.who = record::Speaker::callee;
  turn.text = "my pin is 1234 okay";
  turn.words = {{"my", 500, 600},
                {"pin", 600, 900},
                {"is", 900, 1000},
                {"1234", 1200, 2000},
                {"okay", 2200, 2400}};
  turn.start_ms = 500;
  turn.end_ms = 2500;
  record.turns = {turn};
  bench.spool->finish(record);
  REQUIRE(bench.spool->drain(soon()));

  const auto filed = record::read_folder(bench.folder("CA1"));
  REQUIRE(filed);
  CHECK(filed->turns.at(0).text == "my pin is [redacted] okay");
  REQUIRE(filed->recording.masked.size() == 1);
  const auto span = filed->recording.masked[0];
  CHECK((span.start_ms == 1120 && span.end_ms == 2080));
  const auto wav = bench.wav("CA1");
  const auto callee = wav.channel(0);
  const auto agent = wav.channel(1);
  REQUIRE(callee.size() == 40000);
  for (std::size_t i = 0; i < callee.size(); ++i) {
    const bool masked = i >= 1120 * 8 && i < 2080 * 8;
    if ((callee[i] == 0) != masked) FAIL("callee at " << i);
    if (agent[i] == 0) FAIL("agent at " << i);
  }
  const auto text = read_file(bench.folder("CA1") / record::kTranscriptFile);
  CHECK(text->find("1234") == std::string::npos);
}

TEST_CASE(
    "media.spool: a server killed in the middle of a call leaves its recording and its record") {
  support::ScratchDir dir;
  SpoolOptions options;
  options.dir = dir.path();
  options.tape_calls = true;
  options.reserve_bytes = 0;
  killed_child([&] {
    metrics::Registry registry;
    auto spool = std::move(*Spool::start(options, registry));
    spool->open(record_of("CA1", "server_died"));
    for (int i = 0; i < 10; ++i) spool->add("CA1", block(i * 8000, 8000));
    record::TapeWriter tape;
    tape.put('x', 1, "y");
    spool->add_tape("CA1", record::Track::session, tape.take());
    spool->drain(soon());
    fs::create_directory(options.dir / "CA2.part");  // killed before it wrote anything
  });
  CHECK(fs::exists(dir.path() / "CA1.part"));

  metrics::Registry registry;
  const auto next = Spool::start(options, registry);
  REQUIRE(next);
  const auto record = record::read_folder(dir.path() / "CA1");
  REQUIRE(record);
  CHECK(record->end_reason == "server_died");
  CHECK(record->recording.samples == 80000);
  CHECK(record->duration_ms == 10000);
  CHECK(audio::read_wav(dir.path() / "CA1" / record::kAudioFile)->channel(1).size() == 80000);
  CHECK(record::read_tape(*read_file(dir.path() / "CA1" / record::kTapeFile))
            ->contains(record::Track::session));
  CHECK(fs::exists(dir.path() / "CA2.part"));
  const auto metrics = registry.text();
  CHECK(metrics.find("calld_media_records_recovered_total 1") != std::string::npos);
  CHECK(metrics.find("calld_media_spool_failures_total 1") != std::string::npos);
}

TEST_CASE("media.spool: what a killed server had not redacted yet is not kept") {
  support::ScratchDir dir;
  SpoolOptions options;
  options.dir = dir.path();
  options.reserve_bytes = 0;
  options.redaction.digits = 4;
  killed_child([&] {
    metrics::Registry registry;
    auto spool = std::move(*Spool::start(options, registry));
    spool->open(record_of("CA1", "server_died"));
    spool->add("CA1", block(0, 80000));
    spool->drain(soon());
  });
  metrics::Registry registry;
  const auto next = Spool::start(options, registry);
  REQUIRE(next);
  CHECK_FALSE(fs::exists(dir.path() / "CA1" / record::kAudioFile));
  const auto record = record::read_folder(dir.path() / "CA1");
  REQUIRE(record);
  CHECK_FALSE(record->recording.removed.empty());
}

TEST_CASE("media.spool: a tape longer than allowed ends there, the record does not") {
  SpoolOptions options;
  options.tape_calls = true;
  options.max_tape_bytes = 1000;
  Bench bench(options);
  bench.spool->open(record_of("CA1"));
  for (int i = 0; i < 5; ++i) {
    bench.spool->add_tape("CA1", record::Track::session, std::string(400, 'x'));
  }
  bench.spool->finish(record_of("CA1"));
  REQUIRE(bench.spool->drain(soon()));
  CHECK(fs::file_size(bench.folder("CA1") / record::kTapeFile) < 1000);
  CHECK(record::read_folder(bench.folder("CA1")));
}

TEST_CASE(
    "media.spool: when the disk cannot keep up audio is dropped and counted, never waited for") {
  SpoolOptions options;
  options.max_waiting_bytes = 1000;
  Bench bench(options);
  bench.spool->open(record_of("CA1"));
  CHECK_FALSE(bench.spool->add("CA1", block(0, 8000)));
  CHECK_FALSE(bench.spool->add_tape("CA1", record::Track::handler, std::string(2000, 'x')));
  CHECK(bench.spool->add("CA1", block(8000, 400)));
  bench.spool->finish(record_of("CA1"));
  REQUIRE(bench.spool->drain(soon()));
  CHECK(record::read_folder(bench.folder("CA1"))->recording.lost_samples == 8000);
}
