// Creating a list with its entries: one transaction, so nothing is ever half imported.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/lists.hpp"

namespace call::store {

/// Where a number may stand only once: in its list, in all lists of the tenant where its entry is not done
/// (not called yet, or being called), or in all that there ever were. Imports and additions that look beyond their list
/// wait for each other, so that each sees what the other brought.
enum class Unique { list, open, tenant };
std::optional<Unique> parse_unique(std::string_view text);

struct NewList {
  std::string name;  ///< 1 to 200 bytes, not digits only; unique per tenant
  std::optional<std::string> idempotency_key;  ///< the same key again returns the list made first
  ListSettings settings;
  Unique unique = Unique::list;
};

struct NewEntry {
  std::int64_t seq = 0;              ///< place in the list (the line in a file); unique in the list
  std::optional<std::string> phone;  ///< E.164; none only for a refused row
  std::string phone_raw;             ///< as given
  std::string name;
  std::string variables_json = "{}";  ///< an object of strings
  /// A reason (invalid_number, duplicate ...): the entry is done/refused at once.
  std::string refused;
  std::optional<WallTime> not_after;
  std::string timezone;  ///< of the callee ("Asia/Jerusalem"), when it is known
  int priority = 0;      ///< -99 to 99: more goes before less, whatever their order
};

/// A row that only the store could refuse.
struct RefusedRow {
  std::int64_t seq = 0;
  std::string phone_raw;
  std::string reason;  ///< duplicate, in_other_list
  std::string detail;
};

/// An import under way. Destroyed without commit(), nothing of it remains. The connection is busy
/// until then.
class Import {
 public:
  struct Impl;  ///< for the .cpp file only
  /// Errc::conflict: the name is taken; Errc::invalid_argument: a setting is out of its limits.
  static Result<Import> begin(Connection& connection, std::int64_t tenant_id, const NewList& list);
  Import(Import&& other) noexcept;
  Import& operator=(Import&&) = delete;
  ~Import();

  /// The idempotency key was used before: list() is that list; add nothing, commit() does nothing.
  bool existed() const;
  const List& list() const;
  /// Best a thousand at a time. The rows that the list's uniqueness refuses; they are entries, too.
  /// After an error the import is lost: destroy it.
  Result<std::vector<RefusedRow>> add(std::span<const NewEntry> entries);
  Status commit();

 private:
  explicit Import(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct AppendRules {
  Unique unique = Unique::list;
  bool strict = false;   ///< nothing is written when a row is refused, whoever refused it
  bool dry_run = false;  ///< nothing is written
};

struct Appended {
  std::int64_t first_seq = 0;
  std::int64_t added = 0;           ///< rows that will be called
  std::vector<RefusedRow> refused;  ///< by the store, beside those that came refused
  bool written = false;
};

/// More entries for a list of the tenant, numbered on from its last one, in the order given. A number
/// that the list has already is refused as a duplicate, one that the rules want nowhere else as in_other_list.
/// Errc::conflict when the list is over. All or nothing.
Result<Appended> append_entries(Connection& connection, std::int64_t tenant_id,
                                std::int64_t list_id, const std::vector<NewEntry>& entries,
                                const AppendRules& rules = {});

/// All at once, for small lists.
Result<List> create_list(Connection& connection, std::int64_t tenant_id, const NewList& list,
                         std::span<const NewEntry> entries);

}  // namespace call::store
