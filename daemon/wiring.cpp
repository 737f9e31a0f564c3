#include "daemon/wiring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "core/base/files.hpp"
#include "core/store/outbox.hpp"

namespace call::daemon {
namespace {

// Twilio signs the address that it was told, which never ends in a slash here.
std::string without_trailing_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

dialer::PublicUrls public_urls(const config::Config& config) {
  return {without_trailing_slash(config.api.public_url),
          without_trailing_slash(config.media.public_url)};
}

}  // namespace

net::HostPort host_port(const config::Listen& listen) {
  return {listen.host, listen.port};
}

store::Options store_options(const config::Config& config, std::string_view role) {
  store::Options options;
  options.url = Secret(config.database.url);
  options.application = fmt::format("calld {}", role);
  return options;
}

Result<redis::Endpoint> redis_endpoint(const config::Config& config) {
  return redis::parse_url(config.redis.url).with_context("redis.url");
}

Result<carrier::Options> carrier_options(const config::Config& config) {
  carrier::Options options;
  options.base_url = without_trailing_slash(config.carrier.base_url);
  options.account_sid = config.carrier.account_sid;
  options.timeout = config.carrier.timeout;
  if (options.account_sid.empty()) {
    return Error{Errc::invalid_argument, "carrier.account_sid is not set"};
  }
  CALL_TRY(options.auth_token, config::read_secret(config.carrier.auth_token_file));
  if (!config.carrier.secondary_auth_token_file.path.empty()) {
    CALL_TRY(options.secondary_token,
             config::read_secret(config.carrier.secondary_auth_token_file));
  }
  return options;
}

carrier::SignatureKeys signature_keys(const carrier::Options& account) {
  return {account.auth_token, account.secondary_token};
}

dialer::Options dialer_options(const config::Config& config) {
  dialer::Options options;
  options.urls = public_urls(config);
  options.calls_per_second = config.carrier.calls_per_second;
  options.caller_id_calls_per_second = config.dialer.caller_id_calls_per_second;
  options.account_concurrency = config.carrier.concurrency;
  options.machine_farewell = config.dialer.machine_farewell;
  options.slice = config.dialer.slice;
  options.lease_ttl = config.dialer.lease_ttl;
  options.unknown_grace = config.dialer.unknown_grace;
  options.unknown_deadline = config.dialer.unknown_deadline;
  options.overdue_grace = config.dialer.overdue_grace;
  return options;
}

api::Options api_options(const config::Config& config, const carrier::Options& account) {
  api::Options options;
  options.http.listen = host_port(config.api.listen);
  options.http.name = "api";
  options.http.threads = static_cast<std::size_t>(config.api.threads);
  options.http.max_body_bytes = static_cast<std::size_t>(config.api.body_bytes_max);
  options.urls = public_urls(config);
  options.keys = signature_keys(account);
  options.default_region = config.api.default_region;
  options.machine_farewell = config.dialer.machine_farewell;
  options.account_concurrency = config.carrier.concurrency;
  return options;
}

store::Retention retention_of(const config::Config& config) {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  return {duration_cast<seconds>(config.retention.recordings),
          duration_cast<seconds>(config.retention.personal_data)};
}

rq::WorkerOptions worker_options(const config::Config& config, redis::Endpoint redis) {
  rq::WorkerOptions options;
  options.redis = std::move(redis);
  options.queues = config.worker.queues;
  options.long_queue = std::string(store::kDialQueue);
  options.concurrency = static_cast<int>(config.worker.concurrency);
  options.name = config.worker.name;
  options.aliases = config.worker.functions;
  options.exec.memory_bytes = static_cast<std::uint64_t>(config.worker.exec_memory);
  options.exec.cpu = std::chrono::ceil<std::chrono::seconds>(config.worker.exec_cpu);
  options.exec.output_bytes = static_cast<std::size_t>(config.worker.exec_output);
  options.unknown_callbacks_fail = config.worker.unknown_callbacks_fail;
  options.webhooks = config.worker.webhooks;
  const auto& entry = config.worker.wip_entry;
  if (entry == "composite") options.wip_entry = rq::WipEntry::composite;
  if (entry == "bare") options.wip_entry = rq::WipEntry::bare;
  return options;
}

flow::ServiceOptions service_options(const config::Config& config) {
  flow::ServiceOptions options;
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  auto& server = options.server;
  server.listen = host_port(config.media.listen);
  server.loops = config.media.loops > 0 ? static_cast<std::size_t>(config.media.loops) : cores;
  server.raise_priority = config.media.priority == "auto";
  if (!config.media.tls_certificate_file.empty()) {
    server.tls = net::ServerTls{config.media.tls_certificate_file.string(),
                                config.media.tls_key_file.string()};
  }
  server.session.dialect =
      *media::parse_dialect(config.media.dialect);  // the schema has checked it
  server.max_calls = static_cast<std::size_t>(config.media.max_calls);
  server.session.tuning.max_duration = config.media.max_call_duration;
  server.spool.dir = config.media.spool_dir;
  server.spool.redaction = {static_cast<int>(config.record.redact_digits),
                            config.record.redact_words};
  server.spool.redact_audio = config.record.redact_audio;
  server.spool.tape_calls = config.record.tape && !server.spool.redaction.active();
  server.spool.reserve_bytes = static_cast<std::uint64_t>(config.record.disk_reserve);
  options.catalog.agents_dir = config.media.agents_dir;
  options.catalog.voice = config.speech.voice;
  options.catalog.model.model_dir = config.speech.model_dir;
  return options;
}

std::string media_stream_url(const config::Config& config) {
  return public_urls(config).media + "/ws/twilio-media";
}

Result<sim::Options> sim_options(const config::Config& config) {
  sim::Options options;
  CALL_TRY(const auto account, carrier_options(config));
  options.listen = config.sim.listen.to_string();
  options.account_sid = account.account_sid;
  options.auth_token = account.auth_token;
  options.calls_per_second = config.sim.calls_per_second;
  options.truth_dir = config.sim.truth_dir;
  options.seed = static_cast<std::uint64_t>(config.sim.seed);
  if (!config.sim.script.empty()) {
    CALL_TRY(options.script, read_file(config.sim.script, 1U << 20));
    options.script_name = config.sim.script.string();
  }
  return options;
}

}  // namespace call::daemon
