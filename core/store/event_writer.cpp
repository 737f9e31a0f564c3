#include "core/store/event_writer.hpp"

namespace call::store {
namespace {

constexpr std::size_t kMostAtOnce = 64;
constexpr std::chrono::milliseconds kConnectionPatience{3000};

std::vector<Result<EventEffect>> write(Pool& pool, const std::vector<const Event*>& events) {
  auto connection = pool.take(Deadline::after(kConnectionPatience));
  if (!connection) return std::vector(events.size(), Result<EventEffect>(connection.error()));
  return apply_events(**connection, events);
}

}  // namespace

EventWriter::EventWriter(Pool& pool, std::chrono::milliseconds patience)
    : batches_([&pool](const auto& events) { return write(pool, events); }, kMostAtOnce, patience) {
}

}  // namespace call::store
