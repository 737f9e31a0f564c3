// The simulator's HTTP face: Twilio's REST API for calls, and the truth under /sim. Runs on the
// HTTP server's threads; asks the loop.
//
// Every answer of the REST API leaves through answer(): a plan of faults (lost, late, broken or
// doubled answers to a create that was carried out, 5xx, 429) belongs there.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "core/net/http.hpp"
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
       metrics::Registry& metrics);

  net::HttpResponse handle(const net::HttpRequest& request);
  std::string report_json();
  /// New calls are refused with 503 from now on.
  void drain() { draining_ = true; }

 private:
  net::HttpResponse answer(const net::HttpRequest& request);
  net::HttpResponse authorized(const net::HttpRequest& request);
  net::HttpResponse calls(const net::HttpRequest& request);
  net::HttpResponse one_call(const net::HttpRequest& request, const std::string& sid);
  net::HttpResponse create(const net::HttpRequest& request);
  net::HttpResponse update(const net::HttpRequest& request, const std::string& sid);
  net::HttpResponse list(const net::HttpRequest& request);
  net::HttpResponse simulation(const std::string& path);
  net::HttpResponse ready();

  Options options_;
  runtime::Loop& loop_;
  Switchboard& switchboard_;
  MediaClock& clock_;
  metrics::Registry& metrics_;
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<bool> draining_{false};
};

}  // namespace call::sim
