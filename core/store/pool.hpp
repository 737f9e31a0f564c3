// A few connections shared by many threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/store/connection.hpp"

namespace call::store {

class Pool;

/// A connection lent by a Pool; goes back when destroyed. One thread's; must not outlive the pool.
class PooledConnection {
 public:
  PooledConnection(PooledConnection&& other) noexcept;
  PooledConnection& operator=(PooledConnection&&) = delete;
  ~PooledConnection();
  Connection& operator*() { return connection_; }
  Connection* operator->() { return &connection_; }

 private:
  friend class Pool;
  PooledConnection(Pool* pool, Connection connection);
  Pool* pool_;
  Connection connection_;
};

/// Thread-safe. Opens connections when they are first needed, `size` at most, and keeps them.
class Pool {
 public:
  Pool(Options options, std::size_t size);
  /// Errc::limit when none came free before the deadline; Errc::unavailable when PostgreSQL is not
  /// there.
  Result<PooledConnection> take(Deadline deadline);

 private:
  friend class PooledConnection;
  void give_back(Connection connection);
  void forget_one();

  const Options options_;
  const std::size_t size_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<Connection> idle_;  // under mutex_
  std::size_t lent_ = 0;          // under mutex_; idle_.size() + lent_ <= size_
};

}  // namespace call::store
