// /healthz, /readyz and /metrics for a role whose server has none of its own. The API and the
// simulator answer in the same form.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/metrics/metrics.hpp"
#include "core/net/http.hpp"

namespace call::daemon {

/// One thing that a role needs: "ok", or one sentence that says what is wrong.
struct Check {
  std::string name;
  std::string state;
  bool ok() const { return state == "ok"; }
};

using Checks = std::function<std::vector<Check>()>;

/// GET /healthz: 200 "ok". GET /readyz: 200 or 503, {"ready":true,"checks":{"redis":"ok"}}. GET
/// /metrics. Anything else: 404. Does not block unless `checks` does.
net::HttpResponse answer_health(const net::HttpRequest& request, const metrics::Registry& metrics,
                                const Checks& checks);

}  // namespace call::daemon
