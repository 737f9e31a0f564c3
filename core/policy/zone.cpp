// TZif as in RFC 8536: a header, a block with 32-bit times that is skipped, the same again with 64-bit
// times, and a footer with a POSIX TZ text for all time after the last transition.
#include "core/policy/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>

#include "core/base/deadline.hpp"
#include "core/base/files.hpp"
#include "core/base/guarded.hpp"

namespace call::policy {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr const char* kDatabase = "/usr/share/zoneinfo";
constexpr std::size_t kLargestFile = 1U << 20;
constexpr std::size_t kHeaderBytes = 44;
constexpr std::size_t kMaxTransitions = 10'000;

/// Big-endian numbers out of a file, each read checked.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

  bool has(std::size_t count) const { return bytes_.size() - at_ >= count; }
  void skip(std::size_t count) { at_ += count; }
  std::string_view take(std::size_t count) {
    const auto out = bytes_.substr(at_, count);
    at_ += count;
    return out;
  }
  std::string_view rest() const { return bytes_.substr(at_); }
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (const char c : take(width)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::int32_t signed32() { return static_cast<std::int32_t>(number(4)); }
  std::int64_t signed64() { return static_cast<std::int64_t>(number(8)); }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

struct Header {
  char version = 0;
  std::size_t isut, isstd, leap, times, types, chars;

  std::size_t block_bytes(std::size_t time_bytes) const {
    return times * time_bytes + times + types * 6 + chars + leap * (time_bytes + 4) + isstd + isut;
  }
};

std::optional<Header> read_header(Bytes& in) {
  if (!in.has(kHeaderBytes) || in.take(4) != "TZif") return std::nullopt;
  Header out{};
  out.version = in.take(1)[0];
  in.skip(15);
  for (auto* count : {&out.isut, &out.isstd, &out.leap, &out.times, &out.types, &out.chars}) {
    *count = in.number(4);
  }
  if (out.times > kMaxTransitions || out.types == 0 || out.types > 256 || out.chars > 4096 ||
      out.leap > 4096) {
    return std::nullopt;
  }
  return out;
}

/// A POSIX TZ text, character by character.
class RuleText {
 public:
  explicit RuleText(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool accept(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool name() {
    std::size_t size = 0;
    if (accept('<')) {
      size = text_.find('>');
      if (size == std::string_view::npos) return false;
      text_.remove_prefix(size + 1);
      return size > 0;
    }
    while (size < text_.size() && std::isalpha(static_cast<unsigned char>(text_[size])) != 0)
      ++size;
    text_.remove_prefix(size);
    return size >= 3;
  }
  std::optional<int> number(int low, int high) {
    int value = 0;
    std::size_t digits = 0;
    while (digits < text_.size() && digits < 3 && text_[digits] >= '0' && text_[digits] <= '9')
      value = value * 10 + (text_[digits++] - '0');
    if (digits == 0 || value < low || value > high) return std::nullopt;
    text_.remove_prefix(digits);
    return value;
  }
  /// [+-]hh[:mm[:ss]] in seconds.
  std::optional<int> clock() {
    const bool negative = accept('-');
    if (!negative) accept('+');
    const auto hours = number(0, 167);
    if (!hours) return std::nullopt;
    int total = *hours * 3600;
    for (const int unit : {60, 1}) {
      if (!accept(':')) break;
      const auto part = number(0, 59);
      if (!part) return std::nullopt;
      total += *part * unit;
    }
    return negative ? -total : total;
  }
  std::optional<DstRule> change() {
    DstRule rule;
    std::optional<int> month, week, day;
    if (accept('M')) {
      month = number(1, 12);
      if (!month || !accept('.')) return std::nullopt;
      week = number(1, 5);
      if (!week || !accept('.')) return std::nullopt;
      day = number(0, 6);
    } else {
      rule.kind = accept('J') ? DstRule::Kind::julian : DstRule::Kind::day_of_year;
      day = number(rule.kind == DstRule::Kind::julian ? 1 : 0, 365);
    }
    if (!day) return std::nullopt;
    rule.month = month.value_or(0);
    rule.week = week.value_or(0);
    rule.day = *day;
    if (accept('/')) {
      const auto time = clock();
      if (!time) return std::nullopt;
      rule.time = *time;
    }
    return rule;
  }

 private:
  std::string_view text_;
};

/// The day on which the rule falls in a year.
sys_days day_of(const DstRule& rule, year y) {
  using namespace std::chrono;
  const sys_days january = year_month_day(y, January, day(1));
  if (rule.kind == DstRule::Kind::day_of_year) return january + days(rule.day);
  if (rule.kind == DstRule::Kind::julian) {  // the 29th of February is never counted
    return january + days(rule.day - 1 + (y.is_leap() && rule.day >= 60 ? 1 : 0));
  }
  const month m(static_cast<unsigned>(rule.month));
  const weekday wanted(static_cast<unsigned>(rule.day));
  if (rule.week == 5) return sys_days(year_month_weekday_last(y, m, weekday_last(wanted)));
  return sys_days(
      year_month_weekday(y, m, weekday_indexed(wanted, static_cast<unsigned>(rule.week))));
}

int offset_by_rule(const PosixRule& rule, UtcTime time) {
  if (!rule.begin || !rule.end) return rule.standard;
  const year_month_day date(std::chrono::floor<days>(time + seconds(rule.standard)));
  const UtcTime begin =
      day_of(*rule.begin, date.year()) + seconds(rule.begin->time - rule.standard);
  const UtcTime end = day_of(*rule.end, date.year()) + seconds(rule.end->time - rule.daylight);
  const bool daylight = begin < end ? begin <= time && time < end : !(end <= time && time < begin);
  return daylight ? rule.daylight : rule.standard;
}

bool is_zone_name(std::string_view name) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '_' || c == '-' ||
           c == '+';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '/' && name.back() != '/' &&
         std::all_of(name.begin(), name.end(), plain);
}

Result<Zone> load(const std::string& name) {
  const std::filesystem::path root(kDatabase);
  std::error_code error;
  if (!std::filesystem::exists(root / "UTC", error)) {
    return Error{Errc::unavailable,
                 fmt::format("{} has no time zones: install the package tzdata", kDatabase)};
  }
  const auto bytes = read_file(root / name, kLargestFile);
  if (!bytes) return Error{Errc::not_found, "there is no time zone " + name};
  return Zone::parse(*bytes, name).with_context((root / name).string());
}

struct Kept {
  std::shared_ptr<const Zone> zone;
  MonoClock::time_point read_at;
};
using Cache = std::map<std::string, Kept, std::less<>>;

}  // namespace

Result<PosixRule> parse_posix_rule(std::string_view text) {
  const Error wrong{Errc::protocol, fmt::format("\"{}\" is no POSIX time zone rule", text)};
  RuleText in(text);
  PosixRule rule;
  if (!in.name()) return wrong;
  const auto west = in.clock();
  if (!west) return wrong;
  rule.standard = -*west;
  if (in.at_end()) return rule;
  if (!in.name()) return wrong;
  rule.daylight = rule.standard + 3600;
  if (!in.accept(',')) {
    const auto daylight_west = in.clock();
    if (!daylight_west || !in.accept(',')) return wrong;
    rule.daylight = -*daylight_west;
  }
  rule.begin = in.change();
  if (!rule.begin || !in.accept(',')) return wrong;
  rule.end = in.change();
  if (!rule.end || !in.at_end()) return wrong;
  return rule;
}

Result<Zone> Zone::parse(std::string_view tzif, std::string name) {
  const auto wrong = [&](std::string_view what) {
    return Error{Errc::protocol, fmt::format("the time zone {}: {}", name, what)};
  };
  Bytes in(tzif);
  const auto old = read_header(in);
  if (!old) return wrong("this is no TZif file");
  if (old->version < '2') return wrong("TZif version 1 is too old");
  if (!in.has(old->block_bytes(4))) return wrong("the file is cut off");
  in.skip(old->block_bytes(4));
  const auto header = read_header(in);
  if (!header || !in.has(header->block_bytes(8))) return wrong("the file is cut off");

  Zone zone;
  for (std::size_t i = 0; i < header->times; ++i) zone.transitions_.push_back(in.signed64());
  const auto indexes = in.take(header->times);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < header->types; ++i) {
    offsets.push_back(in.signed32());
    in.skip(2);
  }
  in.skip(header->chars + header->leap * 12 + header->isstd + header->isut);
  for (const char index : indexes) {
    const auto type = static_cast<unsigned char>(index);
    if (type >= offsets.size()) return wrong("a transition has an unknown type");
    zone.offsets_.push_back(offsets[type]);
  }
  zone.first_offset_ = offsets.front();
  if (!std::is_sorted(zone.transitions_.begin(), zone.transitions_.end()))
    return wrong("its transitions are not in order");
  auto footer = in.rest();
  if (!footer.starts_with('\n') || !footer.ends_with('\n') || footer.size() < 2)
    return wrong("the footer is missing");
  footer = footer.substr(1, footer.size() - 2);
  if (!footer.empty()) {
    CALL_TRY(zone.rule_, parse_posix_rule(footer));
  }
  zone.name_ = std::move(name);
  return zone;
}

seconds Zone::offset_at(UtcTime time) const {
  const std::int64_t at = time.time_since_epoch().count();
  const auto next = std::upper_bound(transitions_.begin(), transitions_.end(), at);
  if (next == transitions_.end() && rule_) return seconds(offset_by_rule(*rule_, time));
  if (next == transitions_.begin()) return seconds(first_offset_);
  return seconds(offsets_[static_cast<std::size_t>(next - transitions_.begin()) - 1]);
}

LocalTime Zone::local(UtcTime time) const {
  return LocalTime(time.time_since_epoch() + offset_at(time));
}

UtcTime Zone::first_instant(LocalTime time) const {
  const UtcTime as_utc(time.time_since_epoch());
  const auto before = offset_at(as_utc - days(1));
  const auto after = offset_at(as_utc + days(1));
  const UtcTime early = as_utc - before;
  if (offset_at(early) == before) return early;
  UtcTime late = as_utc - after;
  if (offset_at(late) == after) return late;
  // In the gap: `late`, by the clocks that come, is not there yet; `early`, by those that were, is.
  UtcTime low = std::min(early, late);
  UtcTime high = std::max(early, late);
  while (high - low > seconds(1)) {
    const UtcTime middle = low + (high - low) / 2;
    (local(middle) >= time ? high : low) = middle;
  }
  return high;
}

Result<std::shared_ptr<const Zone>> find_zone(std::string_view name) {
  constexpr std::chrono::hours kFresh{1};
  static Guarded<Cache> cache;
  const auto now = MonoClock::now();
  auto known = cache.with([&](Cache& zones) -> std::shared_ptr<const Zone> {
    const auto found = zones.find(name);
    if (found == zones.end() || now - found->second.read_at > kFresh) return nullptr;
    return found->second.zone;
  });
  if (known) return known;
  // The names in the cache are those of files, which bounds it.
  if (!is_zone_name(name))
    return Error{Errc::not_found, fmt::format("\"{}\" is no name of a time zone", name)};
  CALL_TRY(auto zone, load(std::string(name)));
  auto fresh = std::make_shared<const Zone>(std::move(zone));
  cache.with([&](Cache& zones) { zones.insert_or_assign(std::string(name), Kept{fresh, now}); });
  return fresh;
}

}  // namespace call::policy
