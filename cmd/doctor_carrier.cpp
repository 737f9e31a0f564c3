// callctl doctor: the carrier's account, and the public addresses as the carrier sees them. Nothing is written: no
// call, no event.
#include <fmt/format.h>

#include "cmd/doctor.hpp"
#include "core/base/strings.hpp"
#include "core/carrier/account.hpp"
#include "core/carrier/signature.hpp"
#include "core/net/form.hpp"
#include "core/net/http_client.hpp"

namespace call::cmd::doctor {
namespace {

constexpr std::string_view kTwilio = "twilio.com";
// Of the API's answer to a webhook that is signed rightly and belongs to nothing.
constexpr std::string_view kNoSuchAttempt = "there is no such attempt";
constexpr double kLowBalance = 10;  // in the account's currency: a few hundred minutes

Deadline patience() {
  return Deadline::after(std::chrono::seconds(10));
}

bool is_real_carrier(const config::Config& config) {
  return config.carrier.base_url.find(kTwilio) != std::string::npos;
}

Result<net::HttpResponse> ask(const std::string& text, net::HttpRequest request) {
  CALL_TRY(const auto url, net::parse_url(text));
  return net::http_call(url, request, patience()).response;
}

/// What a real carrier cannot reach or must not be told.
bool is_for_this_machine_only(const std::string& text) {
  const auto url = net::parse_url(text);
  return !url || net::is_loopback(url->host) || !url->tls();
}

/// The command that shows what answers there.
std::string look_at(const std::string& url, std::string_view what) {
  return fmt::format("curl -i {}  # {}", shell_word(url), what);
}

/// The token, or the finding why not: only root can read it where systemd hands it to the daemons.
std::optional<Secret> read_token(const config::Config& config, const std::string& check,
                                 Findings& findings) {
  auto token = config::read_secret(config.carrier.auth_token_file);
  if (token) return *std::move(token);
  const auto& file = config.carrier.auth_token_file.path;
  if (token.error().code == Errc::permission) {
    findings.warning(check, "not looked at: " + token.error().context, "sudo callctl doctor");
  } else if (file.empty()) {
    findings.error(check, token.error().context,
                   findings.edit("carrier.auth_token_file = "
                                 "\"/etc/calld/secrets/carrier.auth_token\""));
  } else {
    findings.error(check, token.error().context,
                   fmt::format("install -m 600 /dev/stdin {}  # paste the token, Enter, Ctrl-D",
                               shell_word(file.native())));
  }
  return std::nullopt;
}

std::string base_of(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

/// A status report that is signed rightly and that nobody can have asked for: its token is longer than any. The API
/// checks the signature first, then says "not found", and keeps nothing.
void check_signature(const std::string& base, const Secret& token, Findings& findings) {
  const auto url = base + "/twilio/status/" + std::string(400, 'd');
  const std::vector<std::pair<std::string, std::string>> form = {
      {"CallSid", "CA00000000000000000000000000000000"}, {"CallStatus", "completed"}};
  net::HttpRequest request;
  request.method = "POST";
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.headers.set("X-Twilio-Signature", carrier::sign(token, url, form));
  request.body = net::encode_form(form);
  const auto answer = ask(url, request);
  if (!answer) {
    findings.error("webhook signature", answer.error().context,
                   look_at(base + "/twilio/", "mend the proxy before the API"));
  } else if (answer->status == 403) {
    findings.error("webhook signature",
                   "the API at api.public_url refuses our own signature: it holds another token, "
                   "another public_url, or a proxy changes the path",
                   findings.edit("compare api.public_url and carrier.auth_token_file with those "
                                 "on the API's machine"));
  } else if (answer->status != 404 || answer->body.find(kNoSuchAttempt) == std::string::npos) {
    // Anybody answers 404; only the API that took the signature speaks of attempts.
    findings.error("webhook signature",
                   fmt::format("what answered {} is not calld's API", answer->status),
                   look_at(base + "/twilio/", "through the proxy it must reach the API unchanged"));
  } else {
    findings.ok("webhook signature", "accepted");
  }
}

void check_media(const config::Config& config, Findings& findings) {
  auto text = base_of(config.media.public_url);
  if (text.starts_with("ws")) text.replace(0, 2, "http");
  const auto answer = ask(text + "/ws/twilio-media", {});
  if (!answer) {
    findings.error("media.public_url", answer.error().context,
                   "systemctl start calld-media  # on its machine; or mend the proxy before it");
  } else if (answer->status != 426) {
    findings.error("media.public_url",
                   fmt::format("{} answered {} where a WebSocket is expected",
                               config.media.public_url, answer->status),
                   look_at(text + "/ws/twilio-media",
                           "must be 426: the proxy must pass it, with Upgrade, to media.listen"));
  } else {
    findings.ok("media.public_url", "reachable");
  }
}

void check_form(const config::Config& config, Findings& findings) {
  if (!is_real_carrier(config)) return;
  for (const auto& [key, url] : {std::pair("api.public_url", config.api.public_url),
                                 std::pair("media.public_url", config.media.public_url)}) {
    if (!is_for_this_machine_only(url)) continue;
    findings.error(
        key, fmt::format("{}: the carrier cannot reach it, or not by TLS", url),
        findings.edit(fmt::format("{}: a public {} address", key,
                                  std::string_view(key).starts_with("media") ? "wss" : "https")));
  }
}

}  // namespace

void check_carrier(const config::Config& config, Findings& findings) {
  if (config.carrier.account_sid.empty()) {
    findings.error("carrier", "carrier.account_sid is not set",
                   findings.edit("carrier.account_sid"));
    return;
  }
  const auto token = read_token(config, "carrier", findings);
  if (!token) return;
  carrier::Options options;
  options.base_url = config.carrier.base_url;
  options.account_sid = config.carrier.account_sid;
  options.auth_token = *token;
  const auto account = carrier::look_at_account(options, patience());
  if (!account && account.error().code == Errc::permission) {
    findings.error("carrier", account.error().context,
                   findings.edit("compare carrier.account_sid, and what is in "
                                 "carrier.auth_token_file, with the carrier's console"));
    return;
  }
  if (!account) {
    findings.error("carrier", fmt::format("{}: {}", options.base_url, account.error().context),
                   look_at(options.base_url, "mend the network, or correct carrier.base_url"));
    return;
  }
  findings.ok("carrier", "takes our account and token at " + options.base_url);
  if (account->balance && *account->balance <= 0) {
    findings.error("balance",
                   fmt::format("{:.2f} {}: the carrier will refuse calls", *account->balance,
                               account->currency),
                   "pay money into the account of the carrier");
  } else if (account->balance && *account->balance < kLowBalance) {
    findings.warning("balance",
                     fmt::format("{:.2f} {} are left", *account->balance, account->currency),
                     "pay money into the account of the carrier");
  } else if (account->balance) {
    findings.ok("balance", fmt::format("{:.2f} {}", *account->balance, account->currency));
  }
  if (account->now)
    check_clock(findings, "clock of the carrier", *account->now, std::chrono::seconds(1));
}

void check_public_urls(const config::Config& config, Findings& findings) {
  check_form(config, findings);
  const auto base = base_of(config.api.public_url);
  const auto health = ask(base + "/healthz", {});
  if (!health || health->status != 200) {
    findings.error("api.public_url",
                   health ? fmt::format("{}/healthz answered {}", base, health->status)
                          : health.error().context,
                   "systemctl start calld-api  # on its machine; or mend the proxy before it");
  } else {
    findings.ok("api.public_url", "reachable");
    if (const auto token = read_token(config, "webhook signature", findings))
      check_signature(base, *token, findings);
  }
  check_media(config, findings);
}

}  // namespace call::cmd::doctor
