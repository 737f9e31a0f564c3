// A private PostgreSQL in a directory of its own: for `calld up` and for tests. TCP on 127.0.0.1
// only, with a password; no Unix socket, because its path limit (107 bytes) is shorter than many
// state directories.
//
//   <dir>/data       the cluster        <dir>/password   0600, made once
//   <dir>/port       kept between runs  <dir>/log        what the server says
//   <dir>/lock       held while a calld runs it
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"

namespace call::local {

struct PostgresOptions {
  std::filesystem::path dir;
  std::string database = "calld";  ///< made when missing
  bool durable = true;             ///< false (tests): fsync and friends are off
  int max_connections = 100;
};

/// A running server. Not thread-safe; start it on a thread that outlives it (see process.hpp). The
/// destructor stops it: fast shutdown, then SIGKILL. If calld is killed the kernel tells the server
/// to shut down.
class Postgres {
 public:
  /// Makes the cluster if there is none, recovers from a crash, waits until connections are
  /// accepted. Run by root it runs as user postgres, else nobody. Errc::not_found: PostgreSQL is
  /// not installed. Errc::conflict: the directory is in use. Errc::permission: that user cannot
  /// reach the directory. Blocks until the deadline at most.
  static Result<std::unique_ptr<Postgres>> start(const PostgresOptions& options, Deadline deadline);
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  /// postgresql://calld:PASSWORD@127.0.0.1:PORT/DATABASE, for the default database or the one
  /// named.
  std::string url() const;
  std::string url(std::string_view database) const;
  std::uint16_t port() const;
  pid_t pid() const;
  bool running();
  /// Makes a database, empty or as a copy of another (which nobody may be connected to). Names:
  /// [a-z0-9_]+.
  Status create_database(std::string_view name, std::string_view copy_of = "template0");
  Status stop(Deadline deadline);

 private:
  struct Impl;
  explicit Postgres(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::local
