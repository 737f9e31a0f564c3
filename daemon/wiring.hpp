// From the configuration to the options of each module: the only place that knows both. Functions
// that read secret files block.
#pragma once

#include "core/api/server.hpp"
#include "core/base/result.hpp"
#include "core/carrier/carrier.hpp"
#include "core/carrier/signature.hpp"
#include "core/config/config.hpp"
#include "core/dialer/dialer.hpp"
#include "core/flow/service.hpp"
#include "core/net/http_server.hpp"
#include "core/net/url.hpp"
#include "core/redis/endpoint.hpp"
#include "core/rq/worker.hpp"
#include "core/sim/server.hpp"
#include "core/store/cleanup.hpp"
#include "core/store/connection.hpp"

namespace call::daemon {

net::HostPort host_port(const config::Listen& listen);
store::Options store_options(const config::Config& config, std::string_view role);
Result<redis::Endpoint> redis_endpoint(const config::Config& config);
/// The account with its secrets.
Result<carrier::Options> carrier_options(const config::Config& config);
carrier::SignatureKeys signature_keys(const carrier::Options& account);
dialer::Options dialer_options(const config::Config& config);
api::Options api_options(const config::Config& config, const carrier::Options& account);
store::Retention retention_of(const config::Config& config);
rq::WorkerOptions worker_options(const config::Config& config, redis::Endpoint redis);
flow::ServiceOptions service_options(const config::Config& config);
/// Where the carrier connects its media streams.
std::string media_stream_url(const config::Config& config);
/// Reads the callers' script, too.
Result<sim::Options> sim_options(const config::Config& config);

}  // namespace call::daemon
