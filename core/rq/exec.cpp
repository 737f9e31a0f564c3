#include "core/rq/exec.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"
#include "core/local/process.hpp"

namespace call::rq {
namespace {

constexpr std::string_view kPrefix = "exec:";
constexpr std::size_t kErrorTailBytes = 16U << 10;
constexpr std::size_t kMostInputBytes = 64U << 20;
constexpr std::size_t kMostVariables = 64;
constexpr std::size_t kMostVariableBytes = 4096;

/// A descriptor that is closed when it goes.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Error system_error(std::string_view what) {
  return {Errc::io, fmt::format("{}: {}", what, std::strerror(errno))};
}

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("cannot make a pipe");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

/// A file in memory: nobody has to feed it while the program runs, and /dev/stdin works.
Result<Fd> file_of(std::string_view text) {
  Fd file(::memfd_create("job", MFD_CLOEXEC));
  if (file.get() < 0) return system_error("memfd_create");
  while (!text.empty()) {
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error("cannot hand over the arguments");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

/// JSON text has no form for bytes: they arrive as base64.
Json with_texts(const Json& value) {
  if (value.is_binary()) {
    const auto& bytes = value.get_binary();
    return crypto::base64_encode(std::string(bytes.begin(), bytes.end()));
  }
  if (!value.is_structured()) return value;
  Json out = value;
  for (auto& item : out) item = with_texts(item);
  return out;
}

std::string signal_text(int number) {
  const char* name = ::sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number)
                         : fmt::format("signal {} (SIG{})", number, name);
}

/// What a shell can use without a JSON reader: CALLD_ARG_1, CALLD_KWARG_month. Only short plain
/// values; everything is on standard input.
using Environment = std::vector<std::pair<std::string, std::string>>;

void add_plain(std::string name, const Json& value, Environment& environment) {
  if (environment.size() >= kMostVariables || value.is_structured() || value.is_binary()) return;
  std::string text = value.is_string() ? value.get<std::string>() : json::dump(value);
  if (value.is_null()) text.clear();
  if (text.size() > kMostVariableBytes || text.find('\0') != std::string::npos) return;
  environment.emplace_back(std::move(name), std::move(text));
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

class Run {
 public:
  Run(const std::vector<std::string>& argv, const ExecLimits& limits, JobContext& job)
      : argv_(argv), limits_(limits), job_(job) {}

  Result<Json> run();

 private:
  local::ChildOptions options(int input, int output, int error) const;
  void watch(local::Child& child, int exit_fd, Pipe& output, Pipe& error);
  void take_output(int fd);
  void take_error(int fd);
  Error verdict(std::string_view text) const;
  Result<Json> result() const;

  const std::vector<std::string>& argv_;
  const ExecLimits& limits_;
  JobContext& job_;
  std::string output_;
  std::string error_;
  bool flooded_ = false;
  bool stopped_ = false;
};

local::ChildOptions Run::options(int input, int output, int error) const {
  local::ChildOptions options;
  options.argv = argv_;
  options.inherit_environment = false;
  for (const char* name : {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"})
    if (const char* value = std::getenv(name)) options.environment.emplace_back(name, value);
  options.environment.emplace_back("CALLD_JOB_ID", to_valid_utf8(job_.job_id));
  options.environment.emplace_back("CALLD_QUEUE", job_.queue);
  std::size_t number = 0;
  for (const Json& arg : job_.args)
    add_plain(fmt::format("CALLD_ARG_{}", ++number), arg, options.environment);
  for (const auto& [name, value] : job_.kwargs.items())
    if (is_plain_name(name)) add_plain("CALLD_KWARG_" + name, value, options.environment);
  options.input_fd = input;
  options.output_fd = output;
  options.error_fd = error;
  // It ends with us, so that nobody else runs the job beside it, and so does all that it started.
  options.guarded = true;
  options.limits.push_back({RLIMIT_CORE, 0, 0});
  if (limits_.memory_bytes > 0)
    options.limits.push_back({RLIMIT_AS, limits_.memory_bytes, limits_.memory_bytes});
  if (const auto cpu = static_cast<std::uint64_t>(limits_.cpu.count()); cpu > 0)
    options.limits.push_back({RLIMIT_CPU, cpu, cpu + 1});  // SIGXCPU, then SIGKILL
  return options;
}

Result<Json> Run::run() {
  const Json document = {{"job_id", to_valid_utf8(job_.job_id)},
                         {"queue", job_.queue},
                         {"function", to_valid_utf8(job_.function)},
                         {"args", with_texts(job_.args)},
                         {"kwargs", with_texts(job_.kwargs)}};
  const auto text = json::dump(document);
  if (text.size() > kMostInputBytes) return Error{Errc::limit, "its arguments are too large"};
  CALL_TRY(const auto input, file_of(text));
  CALL_TRY(auto output, make_pipe());
  CALL_TRY(auto error, make_pipe());
  CALL_TRY(auto child,
           local::Child::start(options(input.get(), output.write.get(), error.write.get())));
  output.write.close();
  error.write.close();
  CALL_TRY(const int exit_number, child.exit_fd());
  const Fd exit_fd(exit_number);
  watch(child, exit_fd.get(), output, error);

  const auto code = child.wait(Deadline::never());
  if (flooded_)
    return verdict(fmt::format("wrote more than {} bytes of output", limits_.output_bytes));
  if (stopped_) return Error{Errc::cancelled, verdict("was told to stop").context};
  if (child.signal()) {
    const bool cpu = limits_.cpu.count() > 0 && *child.signal() == SIGXCPU;
    return verdict(
        fmt::format("was killed by {}{}", signal_text(*child.signal()),
                    cpu ? fmt::format(": more than {} s of CPU time", limits_.cpu.count()) : ""));
  }
  if (!code || *code != 0) return verdict(fmt::format("exited with status {}", code ? *code : -1));
  return result();
}

/// Until the program and all that it started have ended.
void Run::watch(local::Child& child, int exit_fd, Pipe& output, Pipe& error) {
  const Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(job_.stop, [&] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof one);
  });
  auto next = job_.deadline;  // when something is to be done without being woken
  bool ended = false;
  bool killed = false;
  while (!ended) {
    std::array<pollfd, 4> fds = {{{exit_fd, POLLIN, 0},
                                  {flooded_ ? -1 : output.read.get(), POLLIN, 0},
                                  {error.read.get(), POLLIN, 0},
                                  {stopped_ ? -1 : wake.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(next.left().count())) < 0) continue;
    ended = fds[0].revents != 0;
    take_output(output.read.get());
    take_error(error.read.get());
    if (fds[1].revents != 0 && (fds[1].revents & POLLIN) == 0) output.read.close();
    if (fds[2].revents != 0 && (fds[2].revents & POLLIN) == 0) error.read.close();
    if (ended || killed) continue;
    if (flooded_ || (stopped_ && next.passed())) {
      child.signal_group(SIGKILL);
      killed = true;
      next = Deadline::never();
    } else if (!stopped_ && (fds[3].revents != 0 || next.passed())) {
      stopped_ = true;
      child.signal_group(SIGTERM);
      next = Deadline::after(limits_.kill_after);
    }
  }
  take_output(output.read.get());
  take_error(error.read.get());
}

void Run::take_output(int fd) {
  std::array<char, 16384> buffer;  // NOLINT: filled by read
  while (fd >= 0 && !flooded_) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) return;
    output_.append(buffer.data(), static_cast<std::size_t>(got));
    flooded_ = output_.size() > limits_.output_bytes;
  }
}

/// Keeps the end; at most a few pieces at a time, so that a program that never stops talking cannot
/// keep us from looking at its time.
void Run::take_error(int fd) {
  constexpr int kPieces = 16;
  std::array<char, 16384> buffer;  // NOLINT: filled by read
  for (int i = 0; fd >= 0 && i < kPieces; ++i) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) return;
    error_.append(buffer.data(), static_cast<std::size_t>(got));
    if (error_.size() > 2 * kErrorTailBytes) error_.erase(0, error_.size() - kErrorTailBytes);
  }
}

/// The end of its standard error, and the reason on the last line.
Error Run::verdict(std::string_view text) const {
  std::string_view said = trim(error_);
  if (said.size() > kErrorTailBytes) said.remove_prefix(said.size() - kErrorTailBytes);
  const auto reason = fmt::format("{} {}", argv_.front(), text);
  return {Errc::io, said.empty() ? reason : fmt::format("{}\n{}", to_valid_utf8(said), reason)};
}

Result<Json> Run::result() const {
  const auto text = trim(output_);
  if (text.empty()) return Json(nullptr);
  auto document = json::parse(text, {.bytes = limits_.output_bytes, .depth = 100}, "its output");
  if (document) return document;
  return Json(to_valid_utf8(text));
}

}  // namespace

bool is_exec(std::string_view target) {
  return target.starts_with(kPrefix);
}

Result<Function> exec_function(std::string_view target, const ExecLimits& limits) {
  CALL_ASSERT(is_exec(target));
  std::vector<std::string> argv;
  for (const auto word : split(target.substr(kPrefix.size()), ' '))
    if (!word.empty()) argv.emplace_back(word);
  if (argv.empty() || argv.front().front() != '/')
    return Error{Errc::invalid_argument,
                 fmt::format("\"{}\" needs the absolute path of a program", target)};
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(argv.front(), ignored))
    return Error{Errc::not_found, fmt::format("there is no program {}", argv.front())};
  if (::access(argv.front().c_str(), X_OK) != 0)
    return Error{Errc::permission,
                 fmt::format("{} is not executable for this user (chmod +x?)", argv.front())};
  return Function([argv, limits](JobContext& job) { return Run(argv, limits, job).run(); });
}

}  // namespace call::rq
