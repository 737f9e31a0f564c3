#include "core/dialer/dialer.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/dialer/driver.hpp"
#include "core/dialer/store_access.hpp"
#include "core/log/log.hpp"

namespace call::dialer {

std::string_view to_string(DialEnd end) {
  switch (end) {
    case DialEnd::completed:
      return "completed";
    case DialEnd::not_running:
      return "not_running";
    case DialEnd::other_driver:
      return "other_driver";
    case DialEnd::lease_lost:
      return "lease_lost";
    case DialEnd::handed_over:
      return "handed_over";
    case DialEnd::no_credentials:
      return "no_credentials";
    case DialEnd::asleep:
      return "asleep";
    case DialEnd::braked:
      return "braked";
  }
  return "";
}

std::chrono::milliseconds reconcile_every(const Options& options) {
  return std::clamp(options.unknown_grace / 2, std::chrono::milliseconds(500),
                    std::chrono::milliseconds(10000));
}

Result<DialReport> dial_list(const Deps& deps, const Options& options, std::int64_t list_id,
                             const Run& run) {
  std::optional<store::List> list;
  std::optional<store::DriverLease> lease;
  const auto leased_at = MonoClock::now();
  {
    CALL_TRY(auto connection, deps.store->take(Deadline::after(kStorePatience)));
    CALL_TRY(list, store::load_list(*connection, list_id));
    CALL_CRASH_POINT("driver.begin", list->name);
    if (list->state != store::ListState::running) return DialReport{DialEnd::not_running, list_id};
    auto acquired = store::acquire_lease(*connection, list_id, run.holder, options.lease_ttl);
    if (!acquired && acquired.error().code == Errc::conflict) {
      const log::Logger log("dialer");
      log.with("list", list_id).debug("nothing to do: {}", acquired.error().to_string());
      return DialReport{DialEnd::other_driver, list_id};
    }
    CALL_TRY(lease, std::move(acquired));
    CALL_CRASH_POINT("driver.leased", list->name);
  }
  return Driver(deps, options, run, *std::move(list), *std::move(lease), leased_at).drive();
}

}  // namespace call::dialer
