// The spool on a disk that is really full: a tmpfs of 8 MiB in a mount namespace of this process.
// Without the right to mount one (neither root nor user namespaces) the test says that it was skipped
// (exit code 77), which ctest reports as such.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "core/media/spool.hpp"
#include "core/record/folder.hpp"
#include "tests/support/scratch_dir.hpp"

using namespace call;
using namespace call::media;
namespace fs = std::filesystem;

namespace {

constexpr int kSkipped = 77;

[[noreturn]] void skip(const char* what) {
  std::fprintf(stderr, "skipped: %s: %s\n", what, std::strerror(errno));
  std::_Exit(kSkipped);
}

/// A disk of 8 MiB at `path`, seen by this process only. Before any thread is started.
void mount_small_disk(const fs::path& path) {
  const auto user = ::geteuid();
  const int flags = user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
  if (::unshare(flags) != 0) skip("no mount namespace of its own");
  if (flags & CLONE_NEWUSER) {  // files need an owner
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) skip("private mounts");
  if (::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=8m") != 0) skip("mounting a tmpfs");
}

record::CallRecord record_of(const std::string& call_sid) {
  record::CallRecord record;
  record.call_sid = call_sid;
  record.agent = "survey";
  record.end_reason = "completed";
  record.turns.resize(3);
  record.turns[0].text = std::string(8000, 'x');  // more than the blocks that are left over
  return record;
}

void add_seconds(Spool& spool, const std::string& call_sid, int from, int count) {
  for (int second = from; second < from + count; ++second) {
    spool.add(call_sid, {second * 8000, audio::Mulaw(8000, 0x20), audio::Mulaw(8000, 0x30)});
  }
}

/// Fills the disk to the last byte.
void fill(const fs::path& path) {
  std::ofstream file(path, std::ios::binary);
  for (std::size_t size : {1U << 16, 1U << 10, 1U}) {
    const std::string bytes(size, 'b');
    while (file.write(bytes.data(), static_cast<std::streamsize>(size)).flush()) {
    }
    file.clear();
  }
}

Deadline soon() {
  return Deadline::after(std::chrono::seconds(60));
}

}  // namespace

TEST_CASE("media.disk: a full disk costs audio, never a record") {
  support::ScratchDir dir;
  mount_small_disk(dir.path());
  SpoolOptions options;
  options.dir = dir.path() / "spool";
  metrics::Registry registry;

  SECTION("the reserve keeps room for records; what has no room is counted as lost") {
    options.reserve_bytes = 5U << 20;
    options.look_at_disk = std::chrono::milliseconds(0);
    const auto spool = std::move(*Spool::start(options, registry));
    spool->open(record_of("CA1"));
    add_seconds(*spool, "CA1", 0, 2);
    REQUIRE(spool->drain(soon()));
    fill(dir.path() / "ballast");
    fs::resize_file(dir.path() / "ballast", 4U << 20);  // 4 MiB free: records fit, audio may not
    add_seconds(*spool, "CA1", 2, 10);
    spool->finish(record_of("CA1"));
    spool->open(record_of("CA2"));
    add_seconds(*spool, "CA2", 0, 3);
    spool->finish(record_of("CA2"));
    REQUIRE(spool->drain(soon()));
    const auto first = record::read_folder(options.dir / "CA1");
    REQUIRE(first);
    CHECK(first->recording.samples == 2 * 8000);
    CHECK(first->recording.lost_samples == 10 * 8000);
    const auto second = record::read_folder(options.dir / "CA2");
    REQUIRE(second);
    CHECK(second->recording.lost_samples == 3 * 8000);
  }

  SECTION("without a byte left the record waits in memory until there is room") {
    options.reserve_bytes = 0;
    const auto spool = std::move(*Spool::start(options, registry));
    spool->open(record_of("CA1"));
    add_seconds(*spool, "CA1", 0, 1);
    REQUIRE(spool->drain(soon()));
    fill(dir.path() / "ballast");
    add_seconds(*spool, "CA1", 1, 60);
    spool->finish(record_of("CA1"));
    spool->open(record_of("CA2"));  // not even its folder can be written
    spool->finish(record_of("CA2"));
    const auto waits = [&](int records) {
      return registry.text().find(fmt::format("calld_media_records_waiting {}", records)) !=
             std::string::npos;
    };
    const auto deadline = soon();
    do CHECK_FALSE(spool->drain(Deadline::after(std::chrono::milliseconds(500))));
    while (!waits(2) && !deadline.passed());
    REQUIRE(waits(2));
    CHECK_FALSE(fs::exists(options.dir / "CA1"));
    fs::remove(dir.path() / "ballast");
    REQUIRE(spool->drain(soon()));
    CHECK(waits(0));
    const auto first = record::read_folder(options.dir / "CA1");
    REQUIRE(first);
    CHECK(first->recording.lost_samples >= 50 * 8000);
    CHECK(record::read_folder(options.dir / "CA2"));
  }
  ::umount2(dir.path().c_str(), MNT_DETACH);
}
