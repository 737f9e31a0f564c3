// Counters, gauges and histograms with labels, and their Prometheus text. The registry is built and
// owned by the wiring; modules get a reference at construction, ask for their instruments once and
// keep the references.
//
//   metrics::Counter& dropped = registry.counter("calld_media_frames_dropped_total", "Frames
//   dropped, by reason",
//                                                {{"reason", "queue_full"}});
//   dropped.add();
//
// Updates are lock-free and may come from any thread, loops included. Registering and printing take
// a lock: do them outside the path of an audio frame.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace call::metrics {

/// Label names and values, in the order given. The values must come from a small fixed set, never
/// from a peer.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// Only grows. Names end in _total.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A number that goes up and down.
class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void sub(std::int64_t n = 1) { value_.fetch_sub(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Fixed upper bounds (inclusive, ascending); a bucket for everything above them is implied.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);
  std::uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  const std::vector<double>& bounds() const { return bounds_; }
  /// Observations in bucket i alone; i == bounds().size() is the one above all bounds.
  std::uint64_t bucket(std::size_t i) const;

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;
  std::atomic<double> sum_{0};
};

/// Bounds in seconds that suit turn latencies: 10 ms to 30 s.
std::vector<double> latency_seconds();

/// Instruments live as long as the registry. Asking again for the same name and labels returns the
/// same instrument; the same name with another kind, help text or bounds is a programmer error.
/// Thread-safe.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                       const Labels& labels = {});
  /// A gauge read when the text is made. `read` must not block, and must stay callable as long as
  /// the registry.
  void gauge_function(std::string_view name, std::string_view help, std::function<double()> read,
                      const Labels& labels = {});

  /// Text exposition format 0.0.4, families in alphabetical order. Content type: kContentType.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace call::metrics
