// Jobs, and what queue, job and worker commands share: one place that decides the fields.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/output.hpp"
#include "core/base/result.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/reads.hpp"

namespace call::cmd {

/// How many jobs are read at once: their arguments and results come with them.
inline constexpr std::int64_t kJobsAtOnce = 200;

nlohmann::json text_or_null(const std::string& text);

/// The short form, for tables.
nlohmann::json job_row(const rq::JobInfo& job);

/// Errc::invalid_argument names the sets that there are.
Result<rq::JobSet> job_set(std::string_view name);

/// Which jobs of a set a command is about; an empty text means any.
struct JobFilter {
  std::string function;
  std::string reason;  ///< part of the failure text's last line
  bool operator()(const rq::JobInfo& job) const;
};

/// Shows every job of a set to `each`, page by page, until it answers false.
Status walk_jobs(redis::Connection& redis, std::string_view queue, rq::JobSet set,
                 const std::function<bool(const rq::JobInfo&)>& each);

/// Whether the queue is known. Errc::not_found with its name.
Status require_queue(redis::Connection& redis, std::string_view queue);

}  // namespace call::cmd
