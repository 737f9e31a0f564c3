#include "core/rq/exec.hpp"

#include <fmt/format.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "tests/support/scratch_dir.hpp"

namespace rq = call::rq;
using call::Deadline;
using call::Errc;
using call::Json;
using call::Result;

namespace {

/// A shell script as a job function.
struct Script {
  call::support::ScratchDir dir;
  rq::ExecLimits limits;
  std::stop_source stop;
  Deadline deadline = Deadline::after(std::chrono::seconds(60));

  std::string path(const std::string& text) const {
    const auto file = dir.path() / "job";
    REQUIRE(call::write_file_atomic(file, "#!/bin/sh\n" + text + "\n", 0755));
    return file.string();
  }
  Result<Json> run(const std::string& text, const Json& args = Json::array()) {
    const auto function = rq::exec_function("exec:" + path(text) + " word", limits);
    if (!function) FAIL(function.error().to_string());
    const Json kwargs = {{"key", "שלום"}};
    const std::atomic<bool> draining{false};
    rq::JobContext context{.job_id = "job-1",
                           .queue = "default",
                           .function = "reports.build",
                           .worker = "w",
                           .args = args,
                           .kwargs = kwargs,
                           .deadline = deadline,
                           .stop = stop.get_token(),
                           .draining = draining,
                           .log = call::log::Logger("rq")};
    return (*function)(context);
  }
  std::string failure(const std::string& text) {
    const auto result = run(text);
    REQUIRE_FALSE(result);
    return result.error().context;
  }
};

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

bool lives(const std::filesystem::path& pid_file) {
  const auto pid = call::parse_number<pid_t>(call::trim(*call::read_file(pid_file)));
  REQUIRE(pid);
  // Whoever adopted it may take a while to reap it.
  const auto stat = call::read_file(fmt::format("/proc/{}/stat", *pid));
  return stat && stat->find(") Z") == std::string::npos;
}

bool dies(const std::filesystem::path& pid_file) {
  const auto patience = Deadline::after(std::chrono::seconds(20));
  while (lives(pid_file) && !patience.passed()) std::this_thread::yield();
  return !lives(pid_file);
}

}  // namespace

TEST_CASE("rq.exec: the job comes as JSON, the output is the result") {
  Script script;
  const auto result = script.run("cat", {1, "x", Json::binary({0, 255})});
  REQUIRE(result);
  CHECK(*result == Json({{"job_id", "job-1"},
                         {"queue", "default"},
                         {"function", "reports.build"},
                         {"args", {1, "x", "AP8="}},
                         {"kwargs", {{"key", "שלום"}}}}));
  CHECK(*script.run("cat /dev/stdin | wc -l") == 0);
  CHECK(*script.run("echo \"$1 $CALLD_JOB_ID $CALLD_QUEUE in $PWD\"") == "word job-1 default in /");
  CHECK(*script.run("echo \"$CALLD_ARG_1/$CALLD_ARG_2/$CALLD_ARG_3/$CALLD_KWARG_key\"",
                    {"a b; c", 2.5, Json::array()}) == "a b; c/2.5//שלום");
  CHECK(script.run("exit 0")->is_null());
  CHECK(*script.run("echo '{\"a\": [1, null]}'") == Json({{"a", {1, nullptr}}}));
}

TEST_CASE("rq.exec: our own environment stays ours") {
  ::setenv("CALLD_REDIS_URL", "redis://:secret@h", 1);
  Script script;
  CHECK_FALSE(has(script.run("env")->get<std::string>(), "secret"));
  ::unsetenv("CALLD_REDIS_URL");
}

TEST_CASE("rq.exec: a failure shows what was said, and the status or signal last") {
  Script script;
  const auto status = script.failure("echo 'no such customer' >&2; exit 3");
  CHECK(has(status, "no such customer\n"));
  CHECK(status.ends_with("/job exited with status 3"));
  CHECK(script.failure("kill -SEGV $$").ends_with("was killed by signal 11 (SIGSEGV)"));
  CHECK(script.failure("kill -KILL $$").ends_with("was killed by signal 9 (SIGKILL)"));
  const auto long_text = script.failure(
      "i=0; while [ $i -lt 5000 ]; do echo \"line $i of many\" >&2; i=$((i+1)); "
      "done; exit 1");
  CHECK(has(long_text, "line 4999 of many"));
  CHECK(long_text.size() < (20U << 10));
}

TEST_CASE("rq.exec: more output than allowed, memory and CPU time are limited") {
  Script script;
  script.limits.output_bytes = 1000;
  CHECK(has(script.failure("yes"), "wrote more than 1000 bytes of output"));
  script.limits.cpu = std::chrono::seconds(1);
  CHECK(script.failure("while :; do :; done")
            .ends_with("was killed by signal 24 (SIGXCPU): more than 1 s of CPU time"));
  script.limits.memory_bytes = 64U << 20;
  CHECK(has(script.failure("dd if=/dev/zero of=/dev/null bs=256M count=1"), "exited with status"));
}

TEST_CASE("rq.exec: when its time is over the whole group is killed") {
  Script script;
  script.deadline = Deadline::after(std::chrono::milliseconds(300));
  script.limits.kill_after = std::chrono::milliseconds(200);
  const auto child = script.dir.path() / "child";
  const auto result = script.run(fmt::format(
      "trap '' TERM\n(trap '' TERM; echo $$ > {0}; while :; do sleep 1; done) &\nwait\nsleep 60",
      child.string()));
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::cancelled);
  CHECK(dies(child));
}

TEST_CASE("rq.exec: a stop request ends it, and it may clean up") {
  Script script;
  const auto marker = script.dir.path() / "cleaned";
  const auto begun = script.dir.path() / "begun";
  std::thread stopper([&] {
    while (!std::filesystem::exists(begun)) std::this_thread::yield();
    script.stop.request_stop();
  });
  const auto result = script.run(fmt::format(
      "trap 'touch {}; exit 0' TERM\ntouch {}\nsleep 60 & wait", marker.string(), begun.string()));
  stopper.join();
  CHECK(result.error().code == Errc::cancelled);
  CHECK(std::filesystem::exists(marker));
}

TEST_CASE("rq.exec: what it leaves behind ends with it") {
  Script script;
  const auto child = script.dir.path() / "child";
  CHECK(*script.run(fmt::format("sleep 600 &\necho $! > {}\necho done", child.string())) == "done");
  CHECK(dies(child));
}

TEST_CASE("rq.exec: neither a session of its own nor a double fork gets away") {
  Script script;
  const auto session = script.dir.path() / "session";
  const auto orphan = script.dir.path() / "orphan";
  const auto start = fmt::format(
      "setsid sleep 600 & echo $! > {0}.new; mv {0}.new {0}\n"
      "(setsid sh -c 'trap \"\" TERM; echo $$ > {1}.new; mv {1}.new {1}; while :; do sleep 1; "
      "done' &)\n"
      "while ! [ -e {1} ]; do sleep 0.01; done\n",
      session.string(), orphan.string());
  SECTION("when it ends") {
    CHECK(*script.run(start + "echo done") == "done");
  }
  SECTION("when it fails by a signal") {
    CHECK(script.failure(start + "kill -SEGV $$").ends_with("was killed by signal 11 (SIGSEGV)"));
  }
  SECTION("when its time is over") {
    script.deadline = Deadline::after(std::chrono::milliseconds(500));
    script.limits.kill_after = std::chrono::milliseconds(100);
    CHECK(script.run(start + "trap '' TERM\nwhile :; do sleep 1; done").error().code ==
          Errc::cancelled);
  }
  SECTION("when it says too much") {
    script.limits.output_bytes = 1000;
    CHECK(has(script.failure(start + "yes"), "wrote more than 1000 bytes of output"));
  }
  // Gone already, not soon: the job's next run may begin now.
  CHECK_FALSE(lives(session));
  CHECK_FALSE(lives(orphan));
}

TEST_CASE("rq.exec: its signals reach the program's group alone") {
  Script script;
  CHECK(*script.run("trap 'echo mine; exit 0' TERM; kill -TERM 0; sleep 60") == "mine");
}

TEST_CASE("rq.exec: what is no program is refused when the worker starts") {
  Script script;
  CHECK(rq::exec_function("exec:", {}).error().code == Errc::invalid_argument);
  CHECK(rq::exec_function("exec:relative/path", {}).error().code == Errc::invalid_argument);
  CHECK(rq::exec_function("exec:/no/such/program", {}).error().code == Errc::not_found);
  CHECK(rq::exec_function("exec:/tmp", {}).error().code == Errc::not_found);
  const auto plain = script.dir.path() / "plain";
  REQUIRE(call::write_file_atomic(plain, "x", 0644));
  CHECK(rq::exec_function("exec:" + plain.string(), {}).error().code == Errc::permission);
}
