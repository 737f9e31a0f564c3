// Contacts out of a file. CSV: a header line with a column `phone`, optionally `name`, `not_after`,
// `timezone`, `priority`; every other column becomes a variable of the conversation. JSON lines: an object a line
// with the same names as members, every other text, number or boolean a variable. What `callctl list export` wrote is
// known by its columns: those that tell what became of a row are passed over, and var.city is city again. A faulty row
// is refused with its reason and the rest goes on; a faulty file is an error that names the line.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/contacts/csv.hpp"

namespace call::contacts {

/// Why a row is not called. The texts are stable: scripts read them.
inline constexpr std::string_view kInvalidNumber = "invalid_number";
inline constexpr std::string_view kMissingNumber = "missing_number";
inline constexpr std::string_view kDuplicate = "duplicate";
inline constexpr std::string_view kWrongFieldCount = "wrong_field_count";
inline constexpr std::string_view kInvalidNotAfter = "invalid_not_after";
inline constexpr std::string_view kInvalidTimezone = "invalid_timezone";
inline constexpr std::string_view kInvalidPriority = "invalid_priority";
inline constexpr std::string_view kInvalidMember = "invalid_member";

enum class Format { csv, json_lines };

struct Contact {
  std::size_t line = 0;
  std::string phone_raw;
  std::string phone;  ///< E.164; empty when refused for its number
  std::string name;
  std::map<std::string, std::string> variables;  ///< every other column, empty ones too
  std::optional<WallTime> not_after;
  std::string timezone;      ///< of the tz database, empty when not given
  int priority = 0;          ///< -99 to 99
  std::string_view refused;  ///< one of the reasons above; empty: accepted
  std::string detail;        ///< for people: "the same number as line 4"
};

/// -99 to 99.
std::optional<int> parse_priority(std::string_view text);

/// Reads contacts piece by piece. One thread; the callback runs inside feed() and finish().
class Reader {
 public:
  using OnContact = std::function<Status(Contact&&)>;
  /// `region`: for numbers without a country code, may be empty.
  Reader(std::string region, OnContact on_contact, Format format = Format::csv);

  /// Errc::invalid_argument and Errc::limit name the line and say what to do.
  Status feed(std::string_view bytes);
  /// Errc::invalid_argument when a CSV file has no header line, or JSON lines have no object.
  Status finish();

 private:
  Status on_record(CsvRecord&& record);
  Status on_header(const CsvRecord& record);
  Contact contact_of(CsvRecord&& record);
  Status on_line(std::string_view line);
  void judge(Contact& contact);

  std::string region_;
  OnContact on_contact_;
  const Format format_;
  CsvParser parser_;
  std::string partial_line_;  // JSON lines: the bytes after the last line break
  std::size_t lines_ = 0;
  std::size_t objects_ = 0;
  bool exported_ = false;                            // the header is that of an export
  std::vector<std::optional<std::string>> columns_;  // nullopt: passed over
  std::unordered_map<std::string, std::size_t> line_of_number_;
};

}  // namespace call::contacts
