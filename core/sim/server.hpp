// A fake carrier for rehearsals, tests and benchmarks: Twilio's REST API for calls, signed
// webhooks, TwiML, media streams and telephones answered by scripted, speaking callers. Nothing
// leaves the machine unless a webhook URL does.
//
// What it keeps of the truth, so that results are counted and not guessed: for each call a folder
// <truth_dir>/<CallSid>/ with events.jsonl (every event with its millisecond) and call.wav (left:
// what the callee said, right: what the callee heard). Read at run time: GET /sim/calls,
// /sim/calls/<sid>, /sim/report, /healthz, /readyz, /metrics.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace call::sim {

struct Options {
  std::string listen = "127.0.0.1:8082";  ///< HOST:PORT; port 0 takes a free one
  std::string account_sid;                ///< AC and 32 hex digits
  Secret auth_token;                      ///< Basic auth password and webhook signing key
  double calls_per_second = 1.0;  ///< creates above this rate wait in the queue, as at Twilio
  std::size_t max_concurrent_requests =
      100;             ///< REST requests in flight; above: 429 with code 20429
  std::string script;  ///< TOML text of the callers (script.hpp); empty: built-in default caller
  std::string script_name = "callers";  ///< named in error messages
  std::filesystem::path truth_dir;      ///< empty: no files
  std::uint64_t seed = 1;               ///< of everything random that is not an identifier
  std::size_t webhook_threads = 8;      ///< at most so many webhooks and TwiML fetches at once
  std::size_t max_calls = 100000;       ///< calls remembered; older final ones are forgotten first
  std::chrono::milliseconds fetch_timeout{
      15000};  ///< of one webhook or TwiML fetch (Twilio's own limit)
};

/// Runs from start() until stop() or destruction. Thread-safe, but stop() once and last.
class Server {
 public:
  /// Errc::invalid_argument (a bad script names file, key), Errc::unavailable when the address is
  /// taken.
  static Result<std::unique_ptr<Server>> start(Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Refuses new calls, hangs up those that live, delivers what webhooks it can until the deadline.
  /// Blocks.
  void stop(Deadline deadline);

  std::uint16_t port() const;
  std::string base_url() const;     ///< http://HOST:PORT
  std::string report_json() const;  ///< what GET /sim/report answers
  bool idle() const;  ///< no call lives and all webhooks of all calls are delivered or given up

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::sim
