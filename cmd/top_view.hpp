// What callctl top shows: one look at everything, as a screen of text and as JSON. Pure.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/rq/reads.hpp"
#include "core/store/entries.hpp"
#include "core/store/lists.hpp"

namespace call::cmd {

/// A source that does not answer keeps what it said last, with its error.
struct Look {
  WallTime at;
  std::string tenant;
  std::optional<std::string> database_error;
  std::optional<std::string> redis_error;
  std::vector<store::Attempt> calls;      ///< open attempts, the oldest first; numbers masked
  std::vector<store::ListSummary> lists;  ///< newest first
  std::vector<rq::QueueInfo> queues;
  std::vector<rq::WorkerInfo> workers;
};

struct Size {
  std::size_t rows = 24;
  std::size_t columns = 80;
};

struct TopStyle {
  bool colour = false;
  bool keys = false;  ///< there is a person to press them
  bool paused = false;
};

/// At most `size.rows` lines of at most `size.columns` columns, without line ends. Where there is not
/// room for all, each part says how many it leaves out.
std::vector<std::string> draw_top(const Look& look, const Size& size, const TopStyle& style);

nlohmann::json to_json(const Look& look);

}  // namespace call::cmd
