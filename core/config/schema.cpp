// The table of keys. Adding a key: one member in config.hpp, one row here.
#include "core/config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace call::config {
namespace {

// Each row takes the address of the value that it fills, so a key, its type and its place in Config
// are one line.
#define CALL_SLOT(member) [](Config& c) -> Slot { return &c.member; }

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kDay = 86400;

// A table, three or four lines a key; the formatter would make it ten.
// clang-format off
const Key kKeys[] = {
    {.section = "service", .name = "role", .type = Type::choice, .slot = CALL_SLOT(service.role),
     .fallback = "api", .choices = "api|worker|media|sim",
     .help = "The role that runs the clean-up when it starts; the others say that they skip it. "
             "Only api and worker can clean up.",
     .env_alias = "SERVICE_ROLE"},
    {.section = "service", .name = "runtime_dir", .type = Type::path,
     .slot = CALL_SLOT(service.runtime_dir), .fallback = "/run/calld",
     .help = "Directory of the control sockets, one ROLE.sock for each daemon."},

    {.section = "log", .name = "level", .type = Type::text, .slot = CALL_SLOT(log.level),
     .fallback = "info",
     .help = "Level for all modules, then exceptions: info,dialer=debug. Levels are trace, debug, "
             "info, warn, error and off.",
     .reloadable = true},
    {.section = "log", .name = "format", .type = Type::choice, .slot = CALL_SLOT(log.format),
     .fallback = "auto", .choices = "auto|text|json",
     .help = "json writes one object a line. auto is text, without the time and with a priority "
             "when standard error is the journal."},
    {.section = "log", .name = "show_numbers", .type = Type::boolean,
     .slot = CALL_SLOT(log.show_numbers), .fallback = "false",
     .help = "Write phone numbers in full instead of masking their middle.",
     .reloadable = true},

    {.section = "database", .name = "url", .type = Type::text, .slot = CALL_SLOT(database.url),
     .fallback = "postgresql:///calld",
     .help = "PostgreSQL, as a libpq URL or key=value string. Keep the password out of it: use "
             "peer authentication or a passfile.",
     .secret = true},
    {.section = "database", .name = "pool_size", .type = Type::integer,
     .slot = CALL_SLOT(database.pool_size), .fallback = "4", .min = 1, .max = 100,
     .help = "Connections that the API keeps open."},

    {.section = "redis", .name = "url", .type = Type::url, .slot = CALL_SLOT(redis.url),
     .fallback = "redis://127.0.0.1:6379/0", .choices = "redis|unix|redis+sentinel",
     .help = "Redis, shared with the RQ workers and clients. With Redis Sentinel: "
             "redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY/DB, where PRIMARY is the name that the "
             "sentinels watch.",
     .secret = true},

    {.section = "carrier", .name = "base_url", .type = Type::url,
     .slot = CALL_SLOT(carrier.base_url), .fallback = "https://api.twilio.com",
     .choices = "http|https",
     .help = "Where Twilio's REST API, or one compatible with it, is."},
    {.section = "carrier", .name = "account_sid", .type = Type::text,
     .slot = CALL_SLOT(carrier.account_sid), .fallback = "",
     .help = "The account, AC and 32 hex digits."},
    {.section = "carrier", .name = "auth_token_file", .type = Type::path,
     .slot = CALL_SLOT(carrier.auth_token_file), .fallback = "",
     .help = "File with the account's auth token. It also checks webhook signatures."},
    {.section = "carrier", .name = "secondary_auth_token_file", .type = Type::path,
     .slot = CALL_SLOT(carrier.secondary_auth_token_file), .fallback = "",
     .help = "File with the account's other auth token while one replaces the other. It is "
             "accepted in signatures and never used to sign in."},
    {.section = "carrier", .name = "timeout", .type = Type::duration,
     .slot = CALL_SLOT(carrier.timeout), .fallback = "30s", .min = 1, .max = 300,
     .help = "Longest wait for an answer of the carrier. A call whose creation timed out is "
             "unknown, never repeated."},
    {.section = "carrier", .name = "calls_per_second", .type = Type::number,
     .slot = CALL_SLOT(carrier.calls_per_second), .fallback = "1", .min = 0.01, .max = 1000,
     .help = "Calls started each second on the account, over all lists."},
    {.section = "carrier", .name = "concurrency", .type = Type::integer,
     .slot = CALL_SLOT(carrier.concurrency), .fallback = "0", .min = 0, .max = 100000,
     .help = "Open calls of the account at the same time, over all lists; 0 is no limit."},

    {.section = "api", .name = "listen", .type = Type::listen, .slot = CALL_SLOT(api.listen),
     .fallback = "127.0.0.1:8080",
     .help = "Address of the HTTP API and of the carrier's webhooks."},
    {.section = "api", .name = "public_url", .type = Type::url, .slot = CALL_SLOT(api.public_url),
     .fallback = "http://127.0.0.1:8080", .choices = "http|https",
     .help = "The API as the carrier reaches it. Webhook signatures are checked against it."},
    {.section = "api", .name = "threads", .type = Type::integer, .slot = CALL_SLOT(api.threads),
     .fallback = "4", .min = 1, .max = 256,
     .help = "Requests handled at the same time."},
    {.section = "api", .name = "body_bytes_max", .type = Type::size,
     .slot = CALL_SLOT(api.body_bytes_max), .fallback = "16M", .min = 1024, .max = 1024 * kMiB,
     .help = "Largest request body, which bounds a list uploaded over the API."},
    {.section = "api", .name = "default_region", .type = Type::text,
     .slot = CALL_SLOT(api.default_region), .fallback = "US",
     .help = "Country (two letters) of numbers without a country code, unless their list says."},

    {.section = "media", .name = "listen", .type = Type::listen, .slot = CALL_SLOT(media.listen),
     .fallback = "127.0.0.1:8081",
     .help = "Address of the media WebSocket."},
    {.section = "media", .name = "public_url", .type = Type::url,
     .slot = CALL_SLOT(media.public_url), .fallback = "ws://127.0.0.1:8081", .choices = "ws|wss",
     .help = "The media server as the carrier reaches it."},
    {.section = "media", .name = "auth", .type = Type::choice, .slot = CALL_SLOT(media.auth),
     .fallback = "signature+token", .choices = "signature+token|none",
     .help = "How a stream proves that it is the carrier's: its signature and a one-time token. "
             "none is for measurements and is accepted on a loopback address only."},
    {.section = "media", .name = "dialect", .type = Type::choice,
     .slot = CALL_SLOT(media.dialect), .fallback = "twilio", .choices = "twilio|telnyx",
     .help = "Names of the stream's messages: twilio is streamSid and callSid, telnyx is stream_id "
             "and call_control_id."},
    {.section = "media", .name = "tls_certificate_file", .type = Type::path,
     .slot = CALL_SLOT(media.tls_certificate_file), .fallback = "",
     .help = "Certificate with its chain (PEM); with it the media server speaks TLS itself. Empty "
             "when a proxy in front of it does."},
    {.section = "media", .name = "tls_key_file", .type = Type::path,
     .slot = CALL_SLOT(media.tls_key_file), .fallback = "",
     .help = "Private key of the certificate (PEM)."},
    {.section = "media", .name = "priority", .type = Type::choice,
     .slot = CALL_SLOT(media.priority), .fallback = "auto", .choices = "auto|normal",
     .help = "Priority of the threads that carry audio. auto takes real-time priority where it "
             "is granted (LimitRTPRIO= of the unit), else a negative nice value, else the normal one, "
             "and logs which."},
    {.section = "media", .name = "loops", .type = Type::integer, .slot = CALL_SLOT(media.loops),
     .fallback = "0", .min = 0, .max = 64,
     .help = "I/O loops; 0 is one for each core."},
    {.section = "media", .name = "max_calls", .type = Type::integer,
     .slot = CALL_SLOT(media.max_calls), .fallback = "200", .min = 1, .max = 10000,
     .help = "Calls at the same time; more are refused."},
    {.section = "media", .name = "max_call_duration", .type = Type::duration,
     .slot = CALL_SLOT(media.max_call_duration), .fallback = "15m", .min = 1, .max = kDay,
     .help = "A call that lasts longer is ended."},
    {.section = "media", .name = "drain_timeout", .type = Type::duration,
     .slot = CALL_SLOT(media.drain_timeout), .fallback = "15m", .min = 0, .max = kDay,
     .help = "How long calls may go on after SIGTERM before they are ended. By default as long as "
             "media.max_call_duration allows: calls that run are finished. Set both together."},
    {.section = "media", .name = "spool_dir", .type = Type::path,
     .slot = CALL_SLOT(media.spool_dir), .fallback = "/var/lib/calld/spool",
     .help = "Where call records are written when a call ends."},
    {.section = "media", .name = "agents_dir", .type = Type::path,
     .slot = CALL_SLOT(media.agents_dir), .fallback = "",
     .help = "Directory of agent files, added to the built-in agents echo and survey."},

    {.section = "worker", .name = "listen", .type = Type::listen, .slot = CALL_SLOT(worker.listen),
     .fallback = "127.0.0.1:8083",
     .help = "Address of the worker's health checks and metrics."},
    {.section = "worker", .name = "queues", .type = Type::list, .slot = CALL_SLOT(worker.queues),
     .fallback = "dial,records,default", .min = 1, .max = 64,
     .help = "RQ queues to work, the most urgent first."},
    {.section = "worker", .name = "concurrency", .type = Type::integer,
     .slot = CALL_SLOT(worker.concurrency), .fallback = "8", .min = 1, .max = 256,
     .help = "Jobs at the same time."},
    {.section = "worker", .name = "name", .type = Type::text, .slot = CALL_SLOT(worker.name),
     .fallback = "",
     .help = "Name in RQ; empty makes one from host and process id."},
    {.section = "worker", .name = "functions", .type = Type::table,
     .slot = CALL_SLOT(worker.functions), .fallback = "",
     .help = "Further job functions, each a name and what runs for it: a function of calld, so that "
             "jobs enqueued under an older name keep working, or exec:PROGRAM, an absolute path and "
             "words. The program gets the job as JSON on standard input; see docs/queue.md."},
    {.section = "worker", .name = "exec_memory", .type = Type::size,
     .slot = CALL_SLOT(worker.exec_memory), .fallback = "2G", .min = 0, .max = 1024 * 1024 * kMiB,
     .help = "Address space that each process of an exec: function may use; 0 is no limit."},
    {.section = "worker", .name = "exec_cpu", .type = Type::duration,
     .slot = CALL_SLOT(worker.exec_cpu), .fallback = "0s", .min = 0, .max = kDay,
     .help = "CPU time that each process of an exec: function may use, in whole seconds; 0 leaves "
             "the job's own time limit alone."},
    {.section = "worker", .name = "exec_output", .type = Type::size,
     .slot = CALL_SLOT(worker.exec_output), .fallback = "1M", .min = 1, .max = 16 * kMiB,
     .help = "Standard output of an exec: function; one that writes more is killed and has failed."},
    {.section = "worker", .name = "wip_entry", .type = Type::choice,
     .slot = CALL_SLOT(worker.wip_entry), .fallback = "automatic",
     .choices = "automatic|composite|bare",
     .help = "How running jobs are written into the registry that RQ shares: composite as RQ 2 "
             "does, bare as RQ 1 does. automatic is bare while a worker of RQ 1 is registered; "
             "choose bare when only a dashboard or client is that old."},
    {.section = "worker", .name = "unknown_callbacks_fail", .type = Type::boolean,
     .slot = CALL_SLOT(worker.unknown_callbacks_fail), .fallback = "true",
     .help = "Whether a job fails whose on_success is no function of this worker, as it would in "
             "Python; false leaves such a callback out."},
    {.section = "worker", .name = "webhooks", .type = Type::boolean,
     .slot = CALL_SLOT(worker.webhooks), .fallback = "true",
     .help = "Whether the webhooks that a job may carry since RQ 2.10 are sent."},
    {.section = "worker", .name = "spool_dir", .type = Type::path,
     .slot = CALL_SLOT(worker.spool_dir), .fallback = "/var/lib/calld/spool",
     .help = "Where finished call records are looked for: media.spool_dir of the media server."},
    {.section = "worker", .name = "records_queue", .type = Type::text,
     .slot = CALL_SLOT(worker.records_queue), .fallback = "records",
     .help = "Queue of the jobs that file what is in spool_dir. Media servers on several machines: "
             "a queue of its own for each machine, worked by a worker there."},
    {.section = "worker", .name = "records_dir", .type = Type::path,
     .slot = CALL_SLOT(worker.records_dir), .fallback = "/var/lib/calld/records",
     .help = "Where call records are filed, a directory for each day."},

    {.section = "dialer", .name = "caller_id_calls_per_second", .type = Type::number,
     .slot = CALL_SLOT(dialer.caller_id_calls_per_second), .fallback = "0", .min = 0, .max = 1000,
     .help = "Calls started each second from one caller id; 0 is no limit of its own."},
    {.section = "dialer", .name = "slice", .type = Type::duration, .slot = CALL_SLOT(dialer.slice),
     .fallback = "30s", .min = 1, .max = 3600,
     .help = "How long a list keeps its worker slot before it goes to the end of the queue."},
    {.section = "dialer", .name = "lease_ttl", .type = Type::duration,
     .slot = CALL_SLOT(dialer.lease_ttl), .fallback = "4s", .min = 2, .max = 600,
     .help = "A list whose driver is silent for longer gets another driver."},
    {.section = "dialer", .name = "unknown_grace", .type = Type::duration,
     .slot = CALL_SLOT(dialer.unknown_grace), .fallback = "1m", .min = 1, .max = 3600,
     .help = "How long to wait for a webhook before asking the carrier about an attempt whose "
             "outcome is unknown."},
    {.section = "dialer", .name = "unknown_deadline", .type = Type::duration,
     .slot = CALL_SLOT(dialer.unknown_deadline), .fallback = "1h", .min = 1, .max = kDay,
     .help = "An unknown attempt about which the carrier was asked in vain until then is given up "
             "and shown to the operator; it is never dialed again by itself."},
    {.section = "dialer", .name = "overdue_grace", .type = Type::duration,
     .slot = CALL_SLOT(dialer.overdue_grace), .fallback = "1m", .min = 1, .max = kDay,
     .help = "A call that should have ended so long ago without a webhook is looked up at the "
             "carrier."},

    {.section = "dialer", .name = "machine_farewell", .type = Type::text,
     .slot = CALL_SLOT(dialer.machine_farewell),
     .fallback = "We are sorry to have disturbed you. Goodbye.", .min = 1,
     .help = "Said before a call is ended because a machine seems to have answered, since the "
             "verdict can be wrong. Nobody is hung up on in silence, so it must not be empty."},

    {.section = "sim", .name = "listen", .type = Type::listen, .slot = CALL_SLOT(sim.listen),
     .fallback = "127.0.0.1:8082",
     .help = "Address of the simulated carrier."},
    {.section = "sim", .name = "script", .type = Type::path, .slot = CALL_SLOT(sim.script),
     .fallback = "",
     .help = "File that says how each number behaves; without it every number answers."},
    {.section = "sim", .name = "calls_per_second", .type = Type::number,
     .slot = CALL_SLOT(sim.calls_per_second), .fallback = "1", .min = 0.01, .max = 10000,
     .help = "Calls that the simulated carrier starts each second; more wait in its queue."},
    {.section = "sim", .name = "truth_dir", .type = Type::path, .slot = CALL_SLOT(sim.truth_dir),
     .fallback = "",
     .help = "Where to write what each simulated caller heard; empty writes nothing."},
    {.section = "sim", .name = "seed", .type = Type::integer, .slot = CALL_SLOT(sim.seed),
     .fallback = "1", .min = 0, .max = 4294967295,
     .help = "Of everything that is random in the simulator, so that a run can be repeated."},

    {.section = "speech", .name = "model_dir", .type = Type::path,
     .slot = CALL_SLOT(speech.model_dir), .fallback = "/usr/share/pocketsphinx/model/en-us",
     .help = "Acoustic model and dictionary of the built-in speech recogniser."},
    {.section = "speech", .name = "voice", .type = Type::text, .slot = CALL_SLOT(speech.voice),
     .fallback = "slt",
     .help = "Voice of an agent that names none."},

    {.section = "record", .name = "tape", .type = Type::boolean, .slot = CALL_SLOT(record.tape),
     .fallback = "false",
     .help = "Keep beside each record what the call's code was fed with, so that callctl call "
             "replay can run it again: some 40 KB a second of call. It holds what was said, so no "
             "tape is kept while anything is redacted."},
    {.section = "record", .name = "redact_digits", .type = Type::integer,
     .slot = CALL_SLOT(record.redact_digits), .fallback = "0", .min = 0, .max = 100,
     .help = "Runs of so many digits or more, spoken or keyed, are taken out of transcripts and "
             "answers when the call ends; 0 takes out none."},
    {.section = "record", .name = "redact_words", .type = Type::list,
     .slot = CALL_SLOT(record.redact_words), .fallback = "", .min = 0, .max = 1000,
     .help = "Words or phrases to take out of transcripts and answers."},
    {.section = "record", .name = "redact_audio", .type = Type::boolean,
     .slot = CALL_SLOT(record.redact_audio), .fallback = "true",
     .help = "Silence in the recording what was redacted: the words where the recogniser gives "
             "their times, else the whole turn. What it misheard stays audible. Until the call "
             "ends the spool holds the audio as it was."},
    {.section = "record", .name = "disk_reserve", .type = Type::size,
     .slot = CALL_SLOT(record.disk_reserve), .fallback = "64M", .min = 0, .max = 1024 * 1024 * kMiB,
     .help = "With less free space in the spool no audio is written, so that records still fit."},

    {.section = "retention", .name = "recordings", .type = Type::duration,
     .slot = CALL_SLOT(retention.recordings), .fallback = "0s", .min = 0, .max = 3660 * kDay,
     .help = "How long recordings and transcripts are kept, at least 1d; 0s keeps them for ever."},
    {.section = "retention", .name = "personal_data", .type = Type::duration,
     .slot = CALL_SLOT(retention.personal_data), .fallback = "0s", .min = 0, .max = 3660 * kDay,
     .help = "How long the numbers, names and variables of a list are kept after its end, at least "
             "1d, and never shorter than caps and cool-downs of its tenant look back; recordings "
             "are not kept longer. 0s keeps them for ever. Do-not-call lists are not touched."},
};
// clang-format on

#undef CALL_SLOT

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kSections = {{
    {"service", "What all daemons share."},
    {"log", "Log lines go to standard error."},
    {"database", "PostgreSQL holds the truth about lists, attempts and calls."},
    {"redis", "Redis carries jobs and paces calls. Losing it delays calls, never loses one."},
    {"carrier", "The account that places the calls."},
    {"api", "The HTTP API and the carrier's webhooks."},
    {"media", "The media server, which holds the conversations."},
    {"worker", "The RQ worker, which dials lists and files records."},
    {"dialer", "How lists are driven."},
    {"sim", "The simulated carrier, for rehearsals and tests."},
    {"speech", "The built-in speech engines."},
    {"record", "What is kept of each call."},
    {"retention", "How long what is personal is kept; the worker erases it, see docs/records.md."},
}};

}  // namespace

std::string Key::full_name() const {
  return fmt::format("{}.{}", section, name);
}

std::string Key::environment_variable() const {
  std::string text = fmt::format("CALLD_{}_{}", section, name);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

std::span<const Key> schema() {
  return kKeys;
}

const Key* find_key(std::string_view full_name) {
  const auto found = std::find_if(std::begin(kKeys), std::end(kKeys),
                                  [&](const Key& key) { return key.full_name() == full_name; });
  return found == std::end(kKeys) ? nullptr : found;
}

std::string_view section_help(std::string_view section) {
  const auto found = std::find_if(kSections.begin(), kSections.end(),
                                  [&](const auto& entry) { return entry.first == section; });
  return found == kSections.end() ? std::string_view{} : found->second;
}

}  // namespace call::config
