#include "core/store/slots.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace call::store {
namespace {

// Longer than any driver that waits for a slot takes to ask again.
constexpr const char* kInLineFor = "interval '3 s'";
// Those who go first were woken as well and ask at this moment.
constexpr std::chrono::milliseconds kAfterThem{50};

/// Counted under a lock that claims of all lists concerned take, each in a statement of its own: a
/// snapshot from before the lock would not see what its last holder committed.
std::int64_t free_slots(Txn& txn, TurnOf turn, std::int64_t key, std::int64_t most,
                        const char* which) {
  wait_for_turn(txn, turn, key);
  const auto row = query(txn,
                         std::string("SELECT count(*) AS open FROM attempts WHERE state IN "
                                     "('intent', 'sending', 'placed', 'unknown')") +
                             which,
                         {key})[0];
  return most - number(row, "open");
}

/// Of those that wait for the same slots: how many, and how many of them go first. They are served as
/// take_turn() serves: the tenant that was served longest ago, then its list that was. Of a tenant's
/// own lists those of a lower priority do not count.
std::pair<std::int64_t, std::int64_t> line(Txn& txn, const SlotSeeker& list, const char* which) {
  const auto row = query(
      txn,
      std::string(
          "WITH served AS (SELECT l.tenant_id, max(d.served_at) AS at FROM list_drivers d JOIN "
          "lists l ON l.id = d.list_id WHERE l.state = 'running' GROUP BY l.tenant_id), waiting AS "
          "(SELECT (coalesce(s.at, '-infinity'), coalesce(d.served_at, '-infinity')) < (SELECT "
          "coalesce(ms.at, '-infinity'), coalesce(m.served_at, '-infinity') FROM list_drivers m "
          "LEFT JOIN served ms ON ms.tenant_id = $2 WHERE m.list_id = $1) AS earlier FROM "
          "list_drivers d JOIN lists l ON l.id = d.list_id LEFT JOIN served s ON s.tenant_id = "
          "l.tenant_id WHERE d.slot_wanted_until > clock_timestamp() AND d.list_id <> $1 AND "
          "l.state = 'running' AND (l.tenant_id <> $2 OR l.priority >= $3) AND ") +
          which +
          ") SELECT count(*) AS waiting, count(*) FILTER (WHERE earlier) AS first FROM waiting",
      {list.list_id, list.tenant_id, list.priority})[0];
  return {number(row, "waiting"), number(row, "first")};
}

/// Slots that several lists use: those that wait for them get a share each.
Room shared_room(Txn& txn, const SlotSeeker& list, std::int64_t free, const char* waits_for,
                 const char* which) {
  if (free <= 0) return {0, waits_for, {}};
  const auto [waiting, first] = line(txn, list, which);
  if (first > 0) return {0, waits_for, kAfterThem};
  return {std::max<std::int64_t>(1, free / (waiting + 1)), nullptr, {}};
}

}  // namespace

Room room_for_calls(Txn& txn, const SlotSeeker& list) {
  Room room{list.own_room, nullptr, {}};
  const auto narrow = [&](const Room& other) {
    room = {std::min(room.calls, other.calls), other.waits_for, other.again};
  };
  if (room.calls > 0 && list.tenant_concurrency)
    narrow(shared_room(txn, list,
                       free_slots(txn, TurnOf::tenant, list.tenant_id, *list.tenant_concurrency,
                                  " AND tenant_id = $1"),
                       "tenant", "l.tenant_id = $2"));
  if (room.calls > 0 && list.account_concurrency > 0)
    narrow(shared_room(txn, list,
                       free_slots(txn, TurnOf::account, 0, list.account_concurrency, " AND $1 = 0"),
                       "account", "d.slot_wanted = 'account'"));
  return room;
}

void stand_in_line(Txn& txn, const SlotSeeker& list, const Room& room) {
  if (room.waits_for != nullptr) {
    query(txn,
          std::string("UPDATE list_drivers SET slot_wanted = $2, slot_wanted_until = "
                      "clock_timestamp() + ") +
              kInLineFor + " WHERE list_id = $1",
          {list.list_id, room.waits_for});
  } else if (list.in_line) {
    query(txn,
          "UPDATE list_drivers SET slot_wanted = NULL, slot_wanted_until = NULL WHERE list_id = $1",
          {list.list_id});
  }
}

void note_served(Txn& txn, const SlotSeeker& list) {
  if (!list.tenant_concurrency && list.account_concurrency <= 0) return;
  query(txn, "UPDATE list_drivers SET served_at = clock_timestamp() WHERE list_id = $1",
        {list.list_id});
}

}  // namespace call::store
