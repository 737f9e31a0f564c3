// Inside core/rq: what a worker counts and measures, per queue and function. Any thread; without a
// registry nothing happens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace call::metrics {
class Registry;
}

namespace call::rq {

class Registry;
struct QueueInfo;

class Meters {
 public:
  /// `functions` outlives the meters; only its names become labels, so that nobody who can write
  /// into Redis can make us keep a time series for each job.
  Meters(metrics::Registry* registry, const Registry& functions)
      : registry_(registry), functions_(functions) {}

  void claimed(const std::string& queue) const;
  /// Around the call of the function.
  void begins(const std::string& queue, const std::string& function) const;
  void returned(const std::string& queue, const std::string& function) const;
  /// `end`: finished, failed, retried, stopped, requeued, gone or settled.
  void ended(const std::string& queue, const std::string& function, std::string_view end,
             double seconds) const;
  /// Jobs of others that were found here; `fate`: failed, retried or returned (to their queue).
  void found(const std::string& queue, std::string_view fate, std::int64_t jobs) const;
  void depth(const QueueInfo& queue) const;

 private:
  std::string label(const std::string& function) const;

  metrics::Registry* registry_;
  const Registry& functions_;
};

}  // namespace call::rq
