// One connection to PostgreSQL. Every function of this module takes one and runs one transaction of
// its own on it.
//
// Threads: a connection belongs to one thread at a time; Pool (pool.hpp) hands them out. Time: a
// statement ends after Options::statement_timeout, a dead network after about the same, so every
// function of the module returns within a small multiple of it. All of them may block. Errors, for
// every function of the module: unavailable (no connection, or lost: the next call connects again;
// nothing is repeated by itself, and a change whose commit was cut off may or may not have
// happened), timeout, permission, conflict (a constraint said no), internal (anything else that
// PostgreSQL says).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace call::store {

struct Options {
  Secret url;  ///< postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or any libpq connection string
  std::string application = "calld";  ///< shown in pg_stat_activity
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds statement_timeout{30000};
};

class Connection {
 public:
  static Result<Connection> open(const Options& options);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  /// A round trip; connects again if the connection was lost.
  Status ping();

  struct Impl;  ///< libpqxx, for the .cpp files of this module only
  Impl& impl() { return *impl_; }

 private:
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::store
