// The front of logging: loggers by module, levels that can change while the program runs, bound
// fields. No spdlog here.
//
//   const log::Logger log("dialer");
//   const auto call_log = log.with("list", list_id).with("attempt", token);
//   call_log.info("placed call to {}", log::mask_phone(number));
//
// What each level is for:
//   error  an operator must act, or something was lost
//   warn   degraded, will recover by itself; rate-limit what a peer can repeat (Throttle)
//   info   an event of the life cycle that a remote peer cannot repeat for free
//   debug  the whole story of one call, attempt or job, step by step
//   trace  wire-level detail; never switched on for a whole busy system
// An error is logged once, where it is handled, not in every layer it passes.
//
// Everything here is thread-safe. Logging never blocks on the output and never fails: lines are
// handed to a log thread through a bounded queue that drops the oldest (dropped_lines() counts).
// Before setup() and after the Session ended, lines go straight to stderr. The levels and the
// output are the one piece of process-wide state in the project: a log call must work anywhere.
#pragma once

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace call::log {

enum class Level : std::uint8_t { trace, debug, info, warn, error, off };

std::string_view to_string(Level level);
std::optional<Level> parse_level(std::string_view name);

/// Every module that may log, in alphabetical order. A Logger of another name is a programmer
/// error.
inline constexpr std::array<std::string_view, 17> kModules = {
    "api",  "carrier", "cleanup", "config", "control", "daemon", "dialer", "filing", "flow",
    "http", "local",   "media",   "redis",  "rq",      "sim",    "speech", "store"};

/// One bound value. `bare` values (integers, booleans) are not quoted in JSON.
struct Field {
  std::string key;
  std::string value;
  bool bare = false;
};

class Logger {
 public:
  explicit Logger(std::string_view module);

  /// A logger that adds key=value to every line; a key bound again replaces the older value.
  /// Keys are constants of the program ([a-z_]+, not time, level, module, msg).
  template <class T>
  Logger with(std::string_view key, const T& value) const {
    constexpr bool bare = std::is_integral_v<T> && !std::is_same_v<T, char>;
    return with_field({std::string(key), fmt::to_string(value), bare});
  }

  bool enabled(Level level) const;

  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::trace))
      write(Level::trace, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::debug))
      write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::error))
      write(Level::error, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  using Fields = std::vector<Field>;
  Logger with_field(Field field) const;
  void write(Level level, std::string_view message) const;

  std::size_t module_;
  std::shared_ptr<const Fields> fields_;  // null: none
};

enum class Format {
  automatic,  ///< text; with the time left out and a priority prefix when stderr is the journal
  text,
  json,  ///< one object a line: time, level, module, msg, then the bound fields
};

struct Options {
  Format format = Format::automatic;
  std::string levels = "info";     ///< a level specification, see set_levels()
  bool show_numbers = false;       ///< true: mask_phone() returns its argument
  int fd = 2;                      ///< borrowed; must stay open as long as the Session
  std::size_t queue_lines = 8192;  ///< above this the oldest waiting line is dropped
};

/// Owns the log thread. Its end writes what is queued and returns to plain stderr.
class Session {
 public:
  struct Backend;
  explicit Session(std::shared_ptr<Backend> backend);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) = delete;
  ~Session();

 private:
  std::shared_ptr<Backend> backend_;
};

/// Starts the log thread. One Session at a time. Fails only on a bad level specification.
Result<Session> setup(const Options& options);

/// Errc::not_found (naming the modules) when there is no such module; "*" means every module.
Status set_level(std::string_view module, Level level);
/// "info,dialer=debug,rq=trace": a bare level is for all modules, in order from left to right. All
/// or nothing.
Status set_levels(std::string_view specification);
/// In the order of kModules.
std::vector<std::pair<std::string_view, Level>> levels();

/// Lines lost since the Session began because the output was slower than the program.
std::uint64_t dropped_lines();

/// "+14155550123" -> "+1415*****23": the first five and the last two characters stay. Short ones
/// keep the last two.
std::string mask_phone(std::string_view number);
void set_show_numbers(bool show);

/// Lets one line through per interval, for warnings that a peer can provoke:
///   if (const auto hidden = throttle.admit()) log.warn("late frame ({} more not shown)", *hidden);
class Throttle {
 public:
  explicit Throttle(std::chrono::milliseconds interval) : interval_(interval) {}
  /// The number of calls refused since the last admitted one, or nullopt: say nothing now.
  std::optional<std::uint64_t> admit();

 private:
  std::chrono::milliseconds interval_;
  std::atomic<std::int64_t> next_ms_{0};
  std::atomic<std::uint64_t> hidden_{0};
};

}  // namespace call::log
