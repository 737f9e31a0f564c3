// Why a queue's jobs have failed, grouped: thousands of failures are often three reasons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/reads.hpp"

namespace call::rq {

/// The last line of a failure text, which names the kind of error. Borrowed from `error_text`.
std::string_view last_line(std::string_view error_text);
/// The same with every number, UUID and long
/// hexadecimal id as "#", so that they do not make each failure unique.
std::string failure_reason(std::string_view error_text);

struct FailureGroup {
  std::string reason;
  std::string function;
  std::int64_t jobs = 0;
  std::optional<WallTime> newest;
  std::string newest_job;
};

/// Collects failed jobs, page by page.
class FailureGroups {
 public:
  void add(const JobInfo& job);
  /// The most frequent first. Reasons beyond the first 1000 are counted as "(other reasons)".
  std::vector<FailureGroup> take();

 private:
  std::vector<FailureGroup> groups_;
};

}  // namespace call::rq
