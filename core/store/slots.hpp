// Calls at once that several lists share: a tenant's, the account's. They are counted from the open
// attempts; lists that wait for one get the next in the order in which they were served last, tenant by
// tenant. Internal to this module; every function runs inside the claim's transaction, which holds the
// list's lease.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/store/db.hpp"

namespace call::store {

/// A list that would like to call.
struct SlotSeeker {
  std::int64_t list_id = 0;
  std::int64_t tenant_id = 0;
  int priority = 0;
  std::int64_t own_room = 0;  ///< calls that its own limit leaves
  std::optional<std::int64_t> tenant_concurrency;
  std::int64_t account_concurrency = 0;  ///< 0: no limit
  bool in_line = false;                  ///< it waited when it asked last
};

struct Room {
  std::int64_t calls = 0;
  const char* waits_for = nullptr;     ///< none: "tenant" or "account", when it is theirs that lack
  std::chrono::milliseconds again{0};  ///< others go first, and have asked by then; 0: none do
};

/// How many calls the list, the tenant and the account have room for. Where others wait for the same
/// slots, the list's share of them.
Room room_for_calls(Txn& txn, const SlotSeeker& list);
/// Into the line, or out of it.
void stand_in_line(Txn& txn, const SlotSeeker& list, const Room& room);
/// It has claimed.
void note_served(Txn& txn, const SlotSeeker& list);

}  // namespace call::store
