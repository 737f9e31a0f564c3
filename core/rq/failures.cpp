#include "core/rq/failures.hpp"

#include <algorithm>
#include <utility>

#include "core/base/strings.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kMostGroups = 1000;
constexpr std::size_t kReasonBytes = 200;
constexpr std::size_t kIdBytes = 8;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_word(char c) {
  return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_' || c == '-';
}
bool is_id(std::string_view word) {
  return word.size() >= kIdBytes && std::any_of(word.begin(), word.end(), is_digit) &&
         std::all_of(word.begin(), word.end(), [](char c) { return is_hex(c) || c == '-'; });
}

std::string without_numbers(std::string_view word) {
  if (is_id(word)) return "#";
  std::string out;
  for (const char c : word) {
    if (!is_digit(c))
      out += c;
    else if (!out.ends_with('#'))
      out += '#';
  }
  return out;
}

}  // namespace

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const auto start = text.rfind('\n');
  return start == std::string_view::npos ? text : trim(text.substr(start + 1));
}

std::string failure_reason(std::string_view error_text) {
  const auto line = truncate_utf8(last_line(error_text), kReasonBytes);
  std::string out;
  for (std::size_t i = 0; i < line.size();) {
    std::size_t end = i;
    while (end < line.size() && is_word(line[end])) ++end;
    if (end > i) {
      out += without_numbers(line.substr(i, end - i));
      i = end;
    } else {
      out += line[i++];
    }
  }
  return out.empty() ? "(no reason is kept)" : out;
}

void FailureGroups::add(const JobInfo& job) {
  auto reason = failure_reason(job.error_text);
  const auto same = [&](const FailureGroup& group) {
    return group.function == job.function && group.reason == reason;
  };
  auto found = std::find_if(groups_.begin(), groups_.end(), same);
  if (found == groups_.end() && groups_.size() >= kMostGroups) {
    reason = "(other reasons)";
    found = std::find_if(groups_.begin(), groups_.end(), same);
  }
  if (found == groups_.end()) {
    groups_.push_back({std::move(reason), job.function, 0, std::nullopt, {}});
    found = std::prev(groups_.end());
  }
  ++found->jobs;
  if (found->newest_job.empty() || job.ended_at > found->newest) {
    found->newest = job.ended_at;
    found->newest_job = job.id;
  }
}

std::vector<FailureGroup> FailureGroups::take() {
  std::stable_sort(groups_.begin(), groups_.end(),
                   [](const auto& a, const auto& b) { return a.jobs > b.jobs; });
  return std::exchange(groups_, {});
}

}  // namespace call::rq
