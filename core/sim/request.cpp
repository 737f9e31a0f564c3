#include "core/sim/request.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/strings.hpp"
#include "core/carrier/twiml.hpp"
#include "core/net/url.hpp"
#include "core/sim/resource.hpp"

namespace call::sim {
namespace {

using net::param_or_empty;
using net::Params;

net::HttpResponse refuse(int code, std::string_view message) {
  return error_response(400, code, message);
}

/// Collects the first refusal, so that a parser reads as a list of what it wants.
class Reader {
 public:
  explicit Reader(const Params& params) : params_(params) {}

  bool has(std::string_view name) const { return !param_or_empty(params_, name).empty(); }
  std::string text(std::string_view name) const {
    return std::string(param_or_empty(params_, name));
  }

  std::string number(std::string_view name, int missing_code, int invalid_code) {
    auto value = text(name);
    if (value.empty())
      fail(missing_code, "The '" + std::string(name) + "' phone number is required");
    else if (!is_dialable(value))
      fail(invalid_code, "Invalid '" + std::string(name) + "' Phone Number: " + value);
    return value;
  }

  /// A URL and the method that goes with it.
  Hook hook(std::string_view url_name, std::string_view method_name, int invalid_code) {
    Hook hook{text(url_name), text(method_name)};
    if (hook.method.empty()) hook.method = "POST";
    if (hook.method != "POST" && hook.method != "GET")
      fail(21209, "Invalid " + std::string(method_name) + ": " + hook.method);
    if (hook.url.empty()) return hook;
    const auto url = net::parse_url(hook.url);
    if (!url || (url->scheme != "http" && url->scheme != "https"))
      fail(invalid_code, std::string(url_name) + " is not a valid URL: " + hook.url);
    return hook;
  }

  int integer(std::string_view name, int lowest, int highest, int fallback, int invalid_code) {
    if (!has(name)) return fallback;
    const auto value = parse_number<int>(param_or_empty(params_, name));
    if (value && *value >= lowest && *value <= highest) return *value;
    fail(invalid_code, "Invalid " + std::string(name) + ": " + text(name));
    return fallback;
  }

  void fail(int code, std::string message) {
    if (!refusal_) refusal_ = refuse(code, message);
  }
  std::optional<net::HttpResponse>& refusal() { return refusal_; }
  const Params& params() const { return params_; }

 private:
  /// E.164, and for +1 the North American form: what a carrier rejects before it dials.
  static bool is_dialable(std::string_view number) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (number.size() < 8 || number.size() > 16 || number[0] != '+' || number[1] == '0')
      return false;
    if (!std::all_of(number.begin() + 1, number.end(), digit)) return false;
    if (!number.starts_with("+1")) return true;
    return number.size() == 12 && number[2] >= '2' && number[5] >= '2';
  }

  const Params& params_;
  std::optional<net::HttpResponse> refusal_;
};

constexpr int kInvalidParameter = 20001;

std::vector<carrier::ProgressEvent> read_events(Reader& reader) {
  using carrier::ProgressEvent;
  std::vector<ProgressEvent> events;
  for (const auto& [name, value] : reader.params()) {
    if (name != "StatusCallbackEvent") continue;
    // Twilio also takes several in one value, divided by blanks.
    for (const auto word : split(value, ' ')) {
      bool known = word.empty();
      for (const auto event : {ProgressEvent::initiated, ProgressEvent::ringing,
                               ProgressEvent::answered, ProgressEvent::completed}) {
        if (word != to_string(event)) continue;
        events.push_back(event);
        known = true;
      }
      if (!known) reader.fail(kInvalidParameter, "Invalid StatusCallbackEvent: " + value);
    }
  }
  if (events.empty()) events.push_back(ProgressEvent::completed);
  return events;
}

std::optional<AmdRequest> read_amd(Reader& reader) {
  const auto mode = reader.text("MachineDetection");
  if (mode.empty()) return std::nullopt;
  if (mode != "Enable" && mode != "DetectMessageEnd")
    reader.fail(kInvalidParameter, "Invalid MachineDetection: " + mode);
  using std::chrono::milliseconds;
  AmdRequest amd;
  amd.message_end = mode == "DetectMessageEnd";
  amd.async = reader.text("AsyncAmd") == "true";
  amd.callback = reader.hook("AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", 21609);
  amd.timeout =
      std::chrono::seconds(reader.integer("MachineDetectionTimeout", 3, 59, 30, kInvalidParameter));
  amd.speech_threshold = milliseconds(
      reader.integer("MachineDetectionSpeechThreshold", 1000, 6000, 2400, kInvalidParameter));
  amd.speech_end_threshold = milliseconds(
      reader.integer("MachineDetectionSpeechEndThreshold", 500, 5000, 1200, kInvalidParameter));
  amd.silence_timeout = milliseconds(
      reader.integer("MachineDetectionSilenceTimeout", 2000, 10000, 5000, kInvalidParameter));
  return amd;
}

void check_digits(Reader& reader) {
  const auto digits = reader.text("SendDigits");
  const bool valid =
      digits.size() <= 32 && digits.find_first_not_of("0123456789ABCD#*wW") == std::string::npos;
  if (!valid) reader.fail(21206, "Invalid SendDigits: " + digits);
}

/// "2026-11-23", or a full time, whose day counts.
std::optional<WallTime> parse_day(std::string_view text) {
  return parse_rfc3339(std::string(text.substr(0, 10)) + "T00:00:00Z");
}

constexpr std::chrono::hours kDay{24};

/// NAME=day, NAME<=day ("on or before") and NAME>=day ("on or after"), the inequality being part of
/// the name.
void read_range(Reader& reader, const std::string& name, std::optional<WallTime>& from,
                std::optional<WallTime>& before) {
  for (const auto* relation : {"", "<", ">"}) {
    const auto key = name + relation;
    if (!reader.has(key)) continue;
    const auto day = parse_day(reader.text(key));
    if (!day) {
      reader.fail(kInvalidParameter, "Invalid " + key + ": " + reader.text(key));
      continue;
    }
    if (*relation != '<') from = *day;
    if (*relation != '>') before = *day + kDay;
  }
}

bool in_range(const std::optional<WallTime>& time, const std::optional<WallTime>& from,
              const std::optional<WallTime>& before) {
  if (!from && !before) return true;
  return time && (!from || *time >= *from) && (!before || *time < *before);
}

template <class T>
Checked<T> finish(Reader& reader, T value) {
  if (reader.refusal()) return std::move(*reader.refusal());
  return value;
}

}  // namespace

Checked<CallRequest> parse_create(const net::Params& form) {
  Reader reader(form);
  CallRequest call;
  call.to = reader.number("To", 21201, 21211);
  call.from = reader.number("From", 21213, 21212);
  call.answer = reader.hook("Url", "Method", 21205);
  call.twiml = reader.text("Twiml");
  if (call.answer.url.empty() && call.twiml.empty())
    reader.fail(21205, "Url parameter is required");
  if (call.twiml.size() > carrier::kMaxInlineTwiml)
    reader.fail(kInvalidParameter, "Twiml may have 4000 characters");
  call.fallback = reader.hook("FallbackUrl", "FallbackMethod", 21205);
  call.status_callback = reader.hook("StatusCallback", "StatusCallbackMethod", 21609);
  call.events = read_events(reader);
  call.ring_timeout = std::chrono::seconds(reader.integer("Timeout", 1, 600, 60, 21208));
  call.time_limit =
      std::chrono::seconds(reader.integer("TimeLimit", 1, 86400, 14400, kInvalidParameter));
  check_digits(reader);
  call.amd = read_amd(reader);
  if (reader.has("SendDigits")) call.amd.reset();  // as Twilio: the two exclude each other
  return finish(reader, std::move(call));
}

Checked<CallUpdate> parse_update(const net::Params& form) {
  Reader reader(form);
  CallUpdate update;
  const auto status = reader.text("Status");
  update.url = reader.hook("Url", "Method", 21205);
  update.twiml = reader.text("Twiml");
  const bool redirects = !update.url.url.empty() || !update.twiml.empty();
  if (!update.url.url.empty() && !update.twiml.empty())
    reader.fail(kInvalidParameter, "Url and Twiml exclude each other");
  if (update.twiml.size() > carrier::kMaxInlineTwiml)
    reader.fail(kInvalidParameter, "Twiml may have 4000 characters");
  if (status == "completed")
    update.action = CallUpdate::Action::complete;
  else if (status == "canceled")
    update.action = CallUpdate::Action::cancel;
  else if (status.empty() && redirects)
    update.action = CallUpdate::Action::redirect;
  else
    reader.fail(kInvalidParameter, "Status must be completed or canceled");
  return finish(reader, std::move(update));
}

Checked<ListFilter> parse_list(const net::Params& query) {
  Reader reader(query);
  ListFilter filter;
  filter.to = reader.text("To");
  filter.from = reader.text("From");
  if (reader.has("Status")) {
    filter.status = carrier::parse_call_status(reader.text("Status"));
    if (!filter.status || *filter.status == carrier::CallStatus::initiated)
      reader.fail(kInvalidParameter, "Invalid Status: " + reader.text("Status"));
  }
  read_range(reader, "StartTime", filter.started_from, filter.started_before);
  read_range(reader, "EndTime", filter.ended_from, filter.ended_before);
  filter.page_size =
      static_cast<std::size_t>(reader.integer("PageSize", 1, 1000, 50, kInvalidParameter));
  filter.page = static_cast<std::size_t>(reader.integer("Page", 0, 1000000, 0, kInvalidParameter));
  const auto token = reader.text("PageToken");
  if (token.starts_with("PA"))
    filter.before_serial = parse_number<std::uint64_t>(std::string_view(token).substr(2));
  if (!token.empty() && !filter.before_serial)
    reader.fail(kInvalidParameter, "Invalid PageToken: " + token);
  return finish(reader, std::move(filter));
}

bool matches(const ListFilter& filter, const CallState& call) {
  using carrier::CallStatus;
  const auto status = call.status == CallStatus::initiated ? CallStatus::queued : call.status;
  return (filter.to.empty() || filter.to == call.request.to) &&
         (filter.from.empty() || filter.from == call.request.from) &&
         (!filter.status || *filter.status == status) &&
         (!filter.before_serial || call.serial < *filter.before_serial) &&
         in_range(call.started, filter.started_from, filter.started_before) &&
         in_range(call.ended, filter.ended_from, filter.ended_before);
}

}  // namespace call::sim
