#include "core/log/log.hpp"

#include <unistd.h>

#include <algorithm>

#include "core/base/assert.hpp"
#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/base/strings.hpp"
#include "core/log/output.hpp"

namespace call::log {
namespace {

// Process-wide on purpose (see log.hpp): a log call must work in any thread at any time, also in
// static initialisers, so these are constant-initialised and atomic.
constinit std::array<std::atomic<Level>, kModules.size()> module_levels = [] {
  static_assert(kModules.size() == 17, "one initialiser for each module");
  using enum Level;
  return std::array<std::atomic<Level>, 17>{info, info, info, info, info, info, info, info, info,
                                            info, info, info, info, info, info, info, info};
}();
constinit std::atomic<bool> numbers_shown{false};

std::optional<std::size_t> index_of(std::string_view module) {
  const auto found = std::find(kModules.begin(), kModules.end(), module);
  if (found == kModules.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kModules.begin());
}

Error unknown_module(std::string_view module) {
  return {Errc::not_found,
          fmt::format("no log module \"{}\"; there are {}", module, fmt::join(kModules, ", "))};
}

void set_all(Level level) {
  for (auto& slot : module_levels) slot.store(level, std::memory_order_relaxed);
}

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::trace:
      return "trace";
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
    case Level::off:
      break;
  }
  return "off";
}

std::optional<Level> parse_level(std::string_view name) {
  for (const Level level :
       {Level::trace, Level::debug, Level::info, Level::warn, Level::error, Level::off}) {
    if (name == to_string(level)) return level;
  }
  return std::nullopt;
}

Logger::Logger(std::string_view module) {
  const auto index = index_of(module);
  CALL_ASSERT(index.has_value());
  module_ = *index;
}

bool Logger::enabled(Level level) const {
  return level >= module_levels[module_].load(std::memory_order_relaxed);
}

Logger Logger::with_field(Field field) const {
  CALL_DASSERT(field.key != "time" && field.key != "level" && field.key != "module" &&
               field.key != "msg");
  Fields fields = fields_ ? *fields_ : Fields{};
  std::erase_if(fields, [&](const Field& old) { return old.key == field.key; });
  fields.push_back(std::move(field));
  Logger bound = *this;
  bound.fields_ = std::make_shared<const Fields>(std::move(fields));
  return bound;
}

void Logger::write(Level level, std::string_view message) const {
  write_line({wall_now(), level, kModules[module_], message, fields_.get()});
}

Status set_level(std::string_view module, Level level) {
  if (module == "*") {
    set_all(level);
    return {};
  }
  const auto index = index_of(module);
  if (!index) return unknown_module(module);
  module_levels[*index].store(level, std::memory_order_relaxed);
  return {};
}

Status set_levels(std::string_view specification) {
  std::vector<std::pair<std::string_view, Level>> changes;
  for (const std::string_view raw : split(specification, ',')) {
    const std::string_view part = trim(raw);
    const auto equals = part.find('=');
    const bool for_all = equals == std::string_view::npos;
    const std::string_view module = for_all ? "*" : trim(part.substr(0, equals));
    const std::string_view name = for_all ? part : trim(part.substr(equals + 1));
    const auto level = parse_level(name);
    if (!level) {
      return Error{Errc::invalid_argument,
                   fmt::format("\"{}\" is not a log level; use trace, debug, info, warn, error or "
                               "off, and module=level for one module",
                               name)};
    }
    if (!for_all && !index_of(module)) return unknown_module(module);
    changes.emplace_back(module, *level);
  }
  for (const auto& [module, level] : changes) CALL_CHECK(set_level(module, level));
  return {};
}

std::vector<std::pair<std::string_view, Level>> levels() {
  std::vector<std::pair<std::string_view, Level>> all;
  for (std::size_t i = 0; i < kModules.size(); ++i) {
    all.emplace_back(kModules[i], module_levels[i].load(std::memory_order_relaxed));
  }
  return all;
}

std::string mask_phone(std::string_view number) {
  constexpr std::size_t kHead = 5;
  constexpr std::size_t kTail = 2;
  std::string masked(number);
  if (numbers_shown.load(std::memory_order_relaxed)) return masked;
  const std::size_t head = masked.size() > kHead + 2 * kTail ? kHead : 0;
  const std::size_t tail = masked.size() > 2 * kTail ? kTail : 0;
  std::fill(masked.begin() + static_cast<std::ptrdiff_t>(head),
            masked.end() - static_cast<std::ptrdiff_t>(tail), '*');
  return masked;
}

void set_show_numbers(bool show) {
  numbers_shown.store(show, std::memory_order_relaxed);
}

std::optional<std::uint64_t> Throttle::admit() {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(MonoClock::now().time_since_epoch())
          .count();
  auto next = next_ms_.load(std::memory_order_relaxed);
  if (now < next || !next_ms_.compare_exchange_strong(next, now + interval_.count())) {
    hidden_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  return hidden_.exchange(0, std::memory_order_relaxed);
}

}  // namespace call::log
