#include "core/metrics/metrics.hpp"

#include <catch2/catch.hpp>
#include <thread>

namespace call::metrics {
namespace {

TEST_CASE("metrics: the text is Prometheus's, families in alphabetical order") {
  Registry registry;
  registry.gauge("calld_b", "Calls now").set(-2);
  registry.counter("calld_a_total", "Lines\nof \\ help", {{"reason", "a \"b\"\n"}}).add(3);
  registry.counter("calld_a_total", "Lines\nof \\ help", {{"reason", "c"}});
  registry.gauge_function("calld_c", "Read late", [] { return 1.5; });
  CHECK(registry.text() ==
        "# HELP calld_a_total Lines\\nof \\\\ help\n"
        "# TYPE calld_a_total counter\n"
        "calld_a_total{reason=\"a \\\"b\\\"\\n\"} 3\n"
        "calld_a_total{reason=\"c\"} 0\n"
        "# HELP calld_b Calls now\n"
        "# TYPE calld_b gauge\n"
        "calld_b -2\n"
        "# HELP calld_c Read late\n"
        "# TYPE calld_c gauge\n"
        "calld_c 1.5\n");
}

TEST_CASE("metrics: histogram buckets are cumulative and their bounds inclusive") {
  Registry registry;
  auto& histogram = registry.histogram("calld_t_seconds", "Time", {0.5, 1}, {{"leg", "in"}});
  for (const double value : {0.25, 0.5, 0.75, 2.0}) histogram.observe(value);
  CHECK(histogram.count() == 4);
  CHECK(registry.text() ==
        "# HELP calld_t_seconds Time\n"
        "# TYPE calld_t_seconds histogram\n"
        "calld_t_seconds_bucket{leg=\"in\",le=\"0.5\"} 2\n"
        "calld_t_seconds_bucket{leg=\"in\",le=\"1\"} 3\n"
        "calld_t_seconds_bucket{leg=\"in\",le=\"+Inf\"} 4\n"
        "calld_t_seconds_sum{leg=\"in\"} 3.5\n"
        "calld_t_seconds_count{leg=\"in\"} 4\n");
}

TEST_CASE("metrics: the same name and labels are the same instrument") {
  Registry registry;
  auto& first = registry.counter("calld_x_total", "X", {{"k", "v"}});
  for (int i = 0; i < 100; ++i) {
    registry.counter("calld_x_total", "X", {{"k", std::to_string(i)}});
  }
  CHECK(&registry.counter("calld_x_total", "X", {{"k", "v"}}) == &first);
  auto& gauge = registry.gauge("calld_y", "Y");
  CHECK(&registry.gauge("calld_y", "Y") == &gauge);
}

TEST_CASE("metrics: updates from many threads are all counted, also while the text is made") {
  constexpr int kUpdates = 20000;
  Registry registry;
  auto& counter = registry.counter("calld_x_total", "X");
  auto& histogram = registry.histogram("calld_h", "H", {10});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kUpdates; ++i) {
        counter.add();
        histogram.observe(1);
      }
    });
  }
  for (int i = 0; i < 20; ++i) CHECK_FALSE(registry.text().empty());
  for (auto& thread : threads) thread.join();
  CHECK(counter.value() == 4U * kUpdates);
  CHECK(histogram.count() == 4U * kUpdates);
  CHECK(histogram.sum() == 4.0 * kUpdates);
}

}  // namespace
}  // namespace call::metrics
