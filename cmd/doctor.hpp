// Inside callctl doctor: what is checked, and what was found.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/session.hpp"

namespace call::cmd::doctor {

/// Monitoring reads these: a severity is never renamed.
enum class Severity {
  ok,
  warning,  ///< works, but worse than it should, or not for long
  error,    ///< keeps calls from being made, or would lose or repeat one
};

struct Finding {
  std::string check;
  Severity severity = Severity::ok;
  std::string detail;  ///< what was seen, and why it matters
  std::string
      repair;  ///< the command that mends it; what a person must know besides is its comment
};

class Findings {
 public:
  /// `file` is where the configuration is, or would be.
  explicit Findings(std::string file) : file_(std::move(file)) {}
  /// The command to change the configuration, and what in it.
  std::string edit(std::string_view what) const;
  void ok(std::string check, std::string detail);
  void warning(std::string check, std::string detail, std::string repair);
  void error(std::string check, std::string detail, std::string repair);
  const std::vector<Finding>& all() const { return all_; }

 private:
  std::string file_;
  std::vector<Finding> all_;
};

/// Those of --roles, of "api", "worker", "media".
using Roles = std::set<std::string>;

/// Whether two clocks agree: `theirs` against ours. Signatures, tokens and calling hours depend on it.
void check_clock(Findings& findings, const std::string& check, WallTime theirs,
                 std::chrono::milliseconds precision);

// Each looks and adds; none changes anything, none takes longer than a few seconds a service.
void check_postgresql(Session& session, Findings& findings);
void check_redis(Session& session, Findings& findings);
void check_carrier(const config::Config& config, Findings& findings);
/// From here to the public addresses and back, as the carrier would: reachable, signed rightly.
void check_public_urls(const config::Config& config, Findings& findings);
void check_daemons(const config::Config& config, const Roles& roles, Findings& findings);
void check_machine(const config::Config& config, const Roles& roles, Findings& findings);

}  // namespace call::cmd::doctor
