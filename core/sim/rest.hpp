// The simulator's HTTP face: Twilio's REST API for calls, and the truth under /sim. Runs on the
// HTTP server's threads; asks the loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>

#include "core/net/http.hpp"
#include "core/sim/create_log.hpp"
#include "core/sim/faults.hpp"
#include "core/sim/media_clock.hpp"
#include "core/sim/switchboard.hpp"

namespace call::sim {

class Rest {
 public:
  struct Options {
    std::string account_sid;
    Secret auth_token;
    std::size_t max_concurrent_requests = 100;
  };
  Rest(Options options, runtime::Loop& loop, Switchboard& switchboard, MediaClock& clock,
       FaultPlan& faults, CreateLog& creates, metrics::Registry& metrics);

  net::HttpResponse handle(const net::HttpRequest& request);
  std::string report_json();
  /// New calls are refused with 503 from now on, and no answer is delayed any longer.
  void drain();

 private:
  net::HttpResponse answer(const net::HttpRequest& request);
  bool is_authorized(const net::HttpRequest& request) const;
  net::HttpResponse authorized(const net::HttpRequest& request);
  net::HttpResponse calls(const net::HttpRequest& request);
  net::HttpResponse one_call(const net::HttpRequest& request, const std::string& sid);
  net::HttpResponse events(const net::HttpRequest& request, const std::string& sid);
  net::HttpResponse update(const net::HttpRequest& request, const std::string& sid);
  net::HttpResponse list(const net::HttpRequest& request);
  net::HttpResponse simulation(const std::string& path);
  net::HttpResponse change_faults(const net::HttpRequest& request);
  net::HttpResponse ready();

  // Creates, and what is done to their answers (rest_create.cpp)
  net::HttpResponse create(const net::HttpRequest& request);
  net::HttpResponse accept(const CallRequest& call, const Faults& faults);
  void pause(std::chrono::milliseconds span);

  Options options_;
  runtime::Loop& loop_;
  Switchboard& switchboard_;
  MediaClock& clock_;
  FaultPlan& faults_;
  CreateLog& creates_;
  metrics::Registry& metrics_;
  std::atomic<std::size_t> in_flight_{0};
  std::mutex mutex_;
  std::condition_variable drained_;
  std::atomic<bool> draining_{false};
};

}  // namespace call::sim
