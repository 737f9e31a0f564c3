#include "core/store/pool.hpp"

#include <utility>

#include "core/base/affinity.hpp"

namespace call::store {

PooledConnection::PooledConnection(Pool* pool, Connection connection)
    : pool_(pool), connection_(std::move(connection)) {}

PooledConnection::PooledConnection(PooledConnection&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}

PooledConnection::~PooledConnection() {
  if (pool_ != nullptr) pool_->give_back(std::move(connection_));
}

Pool::Pool(Options options, std::size_t size) : options_(std::move(options)), size_(size) {
  CALL_ASSERT(size > 0);
}

Result<PooledConnection> Pool::take(Deadline deadline) {
  assert_may_block("Pool::take");
  {
    std::unique_lock lock(mutex_);
    const auto free = [&] { return !idle_.empty() || lent_ < size_; };
    if (!returned_.wait_for(lock, deadline.left(), free)) {
      return Error{Errc::limit, "all " + std::to_string(size_) + " database connections are busy"};
    }
    ++lent_;
    if (!idle_.empty()) {
      Connection connection = std::move(idle_.back());
      idle_.pop_back();
      return PooledConnection(this, std::move(connection));
    }
  }
  // Connecting takes time: not under the lock. The place is ours already.
  auto opened = Connection::open(options_);
  if (!opened) {
    forget_one();
    return std::move(opened).error();
  }
  return PooledConnection(this, *std::move(opened));
}

void Pool::give_back(Connection connection) {
  {
    std::lock_guard lock(mutex_);
    --lent_;
    idle_.push_back(std::move(connection));  // if it broke, its next use connects again
  }
  returned_.notify_one();
}

void Pool::forget_one() {
  {
    std::lock_guard lock(mutex_);
    --lent_;
  }
  returned_.notify_one();
}

}  // namespace call::store
