// What can go wrong at run time, as data. An Error says what was being done; the code says what kind it is,
// so that callers can decide (retry, exit code, HTTP status) without reading text.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace call {

/// The kind of an operating error. Programmer errors are assertions (assert.hpp), never one of these.
enum class Errc {
  invalid_argument,  ///< the caller's input is wrong; the text names what and how to mend it
  not_found,
  conflict,     ///< exists already, or the state does not allow it
  permission,   ///< not allowed, bad credentials
  unavailable,  ///< a needed service is not reachable; trying again later may work
  timeout,      ///< a deadline passed
  cancelled,    ///< we were told to stop
  closed,       ///< the peer is gone
  protocol,     ///< the peer said something that the protocol does not allow
  limit,        ///< a stated limit was exceeded
  io,           ///< file system or operating system
  internal,     ///< an unexpected failure inside a library
};

/// Short lower-case name, e.g. "not_found". Stable: scripts may read it.
std::string_view to_string(Errc code);

struct Error {
  Errc code = Errc::internal;
  std::string context;  ///< one sentence without a final full stop; outer layers prefix "doing x: "

  /// Returns this error with "what: " in front of its text.
  Error with_context(std::string_view what) &&;
  std::string to_string() const;  ///< "context (code)"
};

}  // namespace call
