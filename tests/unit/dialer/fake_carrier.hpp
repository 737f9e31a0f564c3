// A carrier on loopback that does exactly what a test says, down to the bytes: answers, refuses,
// answers half, goes away after reading. It keeps every request with its time, so that a test can
// count the calls that went out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/guarded.hpp"
#include "core/net/form.hpp"

namespace call::dialer_test {

struct Received {
  std::string method;
  std::string target;
  net::Params form;  ///< of the body
  MonoClock::time_point at;

  std::string param(std::string_view name) const {
    return std::string(net::param_or_empty(form, name));
  }
  /// The attempt token in the StatusCallback address.
  std::string token() const;
};

/// The bytes to answer with, after a delay; then the connection is closed.
struct Answer {
  std::string bytes;
  std::chrono::milliseconds delay{0};
};

Answer answer(int status, const std::string& body, const std::string& headers = {});
/// 201 with a Call resource.
Answer placed(const std::string& sid);
/// Twilio's error document.
Answer refused(int status, int code, const std::string& headers = {});
Answer gone();  ///< closes without a word after the whole request was read
Answer cut(Answer whole, std::size_t bytes);  ///< the first bytes only

/// "CA" and 32 hex digits from a number.
std::string sid_of(std::uint64_t n);
std::string call_json(const std::string& sid, const std::string& to, const std::string& from,
                      const std::string& status, const std::string& created_rfc2822);

class FakeCarrier {
 public:
  /// Runs on a thread of its own for each connection.
  using Script = std::function<Answer(const Received&)>;
  explicit FakeCarrier(Script script);
  ~FakeCarrier();
  FakeCarrier(const FakeCarrier&) = delete;
  FakeCarrier& operator=(const FakeCarrier&) = delete;

  std::string base_url() const;
  std::vector<Received> requests() const;
  /// Create-calls only.
  std::vector<Received> creates() const;

 private:
  void accept_all();
  void serve(int fd);

  Script script_;
  std::uint16_t port_ = 0;  // before listener_, which sets it
  int listener_ = -1;
  std::atomic<bool> stopping_{false};
  Guarded<std::vector<Received>> received_;
  Guarded<std::vector<std::thread>> connections_;
  std::thread acceptor_;
};

/// A loopback port that nobody listens on.
std::uint16_t closed_port();

}  // namespace call::dialer_test
