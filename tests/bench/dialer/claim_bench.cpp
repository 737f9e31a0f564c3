// How long the store takes to claim entries: the driver's own call, on a list that is there already.
//
//   claim_bench DATABASE_URL LIST_ID ROUNDS     prints {"one_ms": ..., "twenty_ms": ...}, medians
//
// Each round claims and puts back what it claimed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/secret.hpp"
#include "core/base/strings.hpp"
#include "core/store/dialing.hpp"

namespace {

using namespace call;
using std::chrono::milliseconds;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "claim_bench: %s\n", result.error().to_string().c_str());
  std::exit(1);
}

/// The median, in milliseconds.
double claims(store::Connection& connection, const store::DriverLease& lease, std::int64_t most,
              int rounds) {
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    const auto begun = MonoClock::now();
    const auto result = must(store::claim_entries(connection, lease, {0, most}));
    took.push_back(std::chrono::duration<double, std::milli>(MonoClock::now() - begun).count());
    if (static_cast<std::int64_t>(result.claims.size()) != most) {
      std::fprintf(stderr, "claim_bench: %zu claims instead of %lld\n", result.claims.size(),
                   static_cast<long long>(most));
      std::exit(1);
    }
    for (const auto& claim : result.claims) {
      const auto put_back =
          store::drop_intent(connection, lease, claim.attempt_id, milliseconds(0));
      if (!put_back) std::exit(1);
    }
  }
  std::nth_element(took.begin(), took.begin() + rounds / 2, took.end());
  return took[static_cast<std::size_t>(rounds / 2)];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto list_id = parse_number<std::int64_t>(argv[2]).value_or(0);
  const auto rounds = std::max(1, parse_number<int>(argv[3]).value_or(1));
  store::Options options;
  options.url = Secret(std::string(argv[1]));
  auto connection = must(store::Connection::open(options));
  const auto lease =
      must(store::acquire_lease(connection, list_id, "claim_bench", milliseconds(600000)));
  const double one = claims(connection, lease, 1, rounds);
  const double twenty = claims(connection, lease, 20, rounds);
  std::printf("{\"one_ms\": %.3f, \"twenty_ms\": %.3f}\n", one, twenty);
  return store::release_lease(connection, lease) ? 0 : 1;
}
