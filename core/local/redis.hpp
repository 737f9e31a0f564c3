// A private Redis in a directory of its own: for `calld up` and for tests. TCP on 127.0.0.1, with a
// password.
//
//   <dir>/data       append-only file   <dir>/password   0600, made once
//   <dir>/port       kept between runs  <dir>/log        what the server says
//   <dir>/lock       held while a calld runs it
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"

namespace call::local {

struct RedisOptions {
  std::filesystem::path dir;
  bool durable = true;  ///< append-only file, fsync every second; false (tests): memory only
};

/// A running server; threads, ownership and errors as Postgres (postgres.hpp).
class Redis {
 public:
  static Result<std::unique_ptr<Redis>> start(const RedisOptions& options, Deadline deadline);
  ~Redis();
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  /// redis://:PASSWORD@127.0.0.1:PORT/0, or another of the 16 databases.
  std::string url(int database = 0) const;
  std::uint16_t port() const;
  pid_t pid() const;
  bool running();
  Status stop(Deadline deadline);

 private:
  struct Impl;
  explicit Redis(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::local
