#include "core/metrics/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <variant>

#include "core/base/assert.hpp"
#include "core/base/guarded.hpp"
#include "core/base/strings.hpp"

namespace call::metrics {
namespace {

using Read = std::function<double()>;
using Instrument = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>,
                                std::unique_ptr<Histogram>, Read>;

struct Series {
  Labels labels;
  Instrument instrument;
};

struct Family {
  std::string help;
  std::string_view type;
  std::vector<Series> series;
};

using Families = std::map<std::string, Family, std::less<>>;

std::string escape_value(std::string_view text) {
  std::string out = replace_all(std::string(text), "\\", "\\\\");
  out = replace_all(std::move(out), "\n", "\\n");
  return replace_all(std::move(out), "\"", "\\\"");
}

std::string escape_help(std::string_view text) {
  return replace_all(replace_all(std::string(text), "\\", "\\\\"), "\n", "\\n");
}

std::string label_text(const Labels& labels, std::string_view le = {}) {
  std::string out;
  for (const auto& [key, value] : labels) {
    fmt::format_to(std::back_inserter(out), R"({}{}="{}")", out.empty() ? "" : ",", key,
                   escape_value(value));
  }
  if (!le.empty()) {
    fmt::format_to(std::back_inserter(out), R"({}le="{}")", out.empty() ? "" : ",", le);
  }
  return out.empty() ? out : "{" + out + "}";
}

void append_histogram(std::string& out, std::string_view name, const Labels& labels,
                      const Histogram& histogram) {
  // The count is the sum of the buckets as read here, so that the text agrees with itself while
  // others observe.
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.bucket(i);
    const bool last = i == histogram.bounds().size();
    const std::string le = last ? "+Inf" : fmt::format("{}", histogram.bounds()[i]);
    fmt::format_to(std::back_inserter(out), "{}_bucket{} {}\n", name, label_text(labels, le),
                   total);
  }
  const std::string suffix = label_text(labels);
  fmt::format_to(std::back_inserter(out), "{}_sum{} {}\n", name, suffix, histogram.sum());
  fmt::format_to(std::back_inserter(out), "{}_count{} {}\n", name, suffix, total);
}

void append_series(std::string& out, std::string_view name, const Series& series) {
  const auto line = [&](auto value) {
    fmt::format_to(std::back_inserter(out), "{}{} {}\n", name, label_text(series.labels), value);
  };
  struct Visitor {
    decltype(line)& print;
    std::string& out;
    std::string_view name;
    const Labels& labels;
    void operator()(const std::unique_ptr<Counter>& counter) const { print(counter->value()); }
    void operator()(const std::unique_ptr<Gauge>& gauge) const { print(gauge->value()); }
    void operator()(const std::unique_ptr<Histogram>& histogram) const {
      append_histogram(out, name, labels, *histogram);
    }
    void operator()(const Read& read) const { print(read()); }
  };
  std::visit(Visitor{line, out, name, series.labels}, series.instrument);
}

// [a-zA-Z_:][a-zA-Z0-9_:]*
bool is_metric_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  };
  const auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && letter(name.front()) && std::all_of(name.begin(), name.end(), rest);
}

Series& series_of(Families& families, std::string_view name, std::string_view help,
                  std::string_view type, const Labels& labels) {
  CALL_ASSERT(is_metric_name(name));
  auto found = families.find(name);
  if (found == families.end()) {
    found = families.emplace(std::string(name), Family{std::string(help), type, {}}).first;
  }
  Family& family = found->second;
  CALL_ASSERT(family.type == type && family.help == help);
  for (Series& series : family.series) {
    if (series.labels == labels) return series;
  }
  return family.series.emplace_back(Series{labels, Read{}});
}

// The instrument of this series, made when the series is new.
template <class T, class Make>
T& instrument_of(Series& series, Make make) {
  if (!std::holds_alternative<std::unique_ptr<T>>(series.instrument)) {
    CALL_ASSERT(!std::get<Read>(series.instrument));
    series.instrument = make();
  }
  return *std::get<std::unique_ptr<T>>(series.instrument);
}

}  // namespace

struct Registry::State {
  Guarded<Families> families;
};

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)),
      buckets_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {
  CALL_ASSERT(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<std::size_t>(bound - bounds_.begin())].fetch_add(1,
                                                                        std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::bucket(std::size_t i) const {
  CALL_ASSERT(i <= bounds_.size());
  return buckets_[i].load(std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) total += bucket(i);
  return total;
}

std::vector<double> latency_seconds() {
  return {0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30};
}

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return state_->families.with([&](Families& families) -> Counter& {
    return instrument_of<Counter>(series_of(families, name, help, "counter", labels),
                                  [] { return std::make_unique<Counter>(); });
  });
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return state_->families.with([&](Families& families) -> Gauge& {
    return instrument_of<Gauge>(series_of(families, name, help, "gauge", labels),
                                [] { return std::make_unique<Gauge>(); });
  });
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::vector<double> bounds, const Labels& labels) {
  return state_->families.with([&](Families& families) -> Histogram& {
    auto& histogram = instrument_of<Histogram>(series_of(families, name, help, "histogram", labels),
                                               [&] { return std::make_unique<Histogram>(bounds); });
    CALL_ASSERT(histogram.bounds() == bounds);
    return histogram;
  });
}

void Registry::gauge_function(std::string_view name, std::string_view help,
                              std::function<double()> read, const Labels& labels) {
  CALL_ASSERT(read != nullptr);
  state_->families.with([&](Families& families) {
    Series& series = series_of(families, name, help, "gauge", labels);
    CALL_ASSERT(std::holds_alternative<Read>(series.instrument));
    series.instrument = std::move(read);
  });
}

std::string Registry::text() const {
  return state_->families.with([](const Families& families) {
    std::string out;
    for (const auto& [name, family] : families) {
      fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name,
                     escape_help(family.help), name, family.type);
      for (const Series& series : family.series) append_series(out, name, series);
    }
    return out;
  });
}

}  // namespace call::metrics
