#include "core/store/attempt_writer.hpp"

#include <string>

namespace call::store {
namespace {

constexpr std::size_t kMostAtOnce = 32;
constexpr std::chrono::milliseconds kConnectionPatience{5000};

using Write = std::vector<Status> (*)(Connection&, const std::vector<const OnItsWay*>&);

runtime::Batcher<OnItsWay, Status>::Work work_of(Pool& pool, Write write) {
  return [&pool, write](const std::vector<const OnItsWay*>& attempts) {
    auto connection = pool.take(Deadline::after(kConnectionPatience));
    if (!connection) return std::vector(attempts.size(), Status(connection.error()));
    return write(**connection, attempts);
  };
}

}  // namespace

AttemptWriter::AttemptWriter(Pool& pool, std::chrono::milliseconds patience)
    : marks_(work_of(pool, store::mark_sending), kMostAtOnce, patience),
      placed_(work_of(pool, store::settle_placed), kMostAtOnce, patience) {}

Status AttemptWriter::mark_sending(const DriverLease& lease, std::string_view attempt_id) {
  return marks_.put({lease, std::string(attempt_id), {}});
}

Status AttemptWriter::settle_placed(const DriverLease& lease, std::string_view attempt_id,
                                    std::string_view call_sid) {
  return placed_.put({lease, std::string(attempt_id), std::string(call_sid)});
}

}  // namespace call::store
