#include "core/contacts/contacts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/strings.hpp"
#include "core/contacts/phone.hpp"
#include "core/json/json.hpp"
#include "core/policy/zone.hpp"

namespace call::contacts {
namespace {

const std::set<std::string, std::less<>> kKnown{"phone", "name", "not_after", "timezone",
                                                "priority"};

/// Columns of `callctl list export` that say what became of the row, which is no property of the person.
const std::set<std::string, std::less<>> kOfExport{
    "id",       "seq",         "phone_raw",   "state",    "outcome",       "reason",
    "attempts", "from",        "call_sid",    "ended_at", "carrier_error", "record",
    "message",  "answered_by", "answered_at", "version",  "duration_s",    "next_attempt_at"};
/// Only an export has all of these; another file may well have a column `state`.
constexpr std::array<std::string_view, 4> kMarksOfExport{"phone_raw", "seq", "outcome", "call_sid"};

/// What an export put before a cell that a spreadsheet would run.
std::string without_guard(std::string value) {
  constexpr std::string_view kRun = "=+-@\t\r";
  if (value.size() > 1 && value[0] == '\'' && kRun.find(value[1]) != std::string_view::npos)
    value.erase(0, 1);
  return value;
}

/// One named value of a row.
void set(Contact& contact, const std::string& name, std::string value) {
  if (name == "phone") {
    contact.phone_raw = std::move(value);
  } else if (name == "name") {
    contact.name = std::move(value);
  } else if (name == "not_after") {
    if (value.empty()) return;
    contact.not_after = parse_rfc3339(value);
    if (contact.not_after) return;
    contact.refused = kInvalidNotAfter;
    contact.detail = fmt::format("not_after '{}' is no time such as 2026-11-23T18:00:00Z", value);
  } else if (name == "timezone") {
    if (!value.empty() && !policy::find_zone(value)) {
      contact.refused = kInvalidTimezone;
      contact.detail = fmt::format("timezone '{}' is none such as America/New_York", value);
    } else {
      contact.timezone = std::move(value);
    }
  } else if (name == "priority") {
    if (value.empty()) return;
    const auto priority = parse_priority(value);
    contact.priority = priority.value_or(0);
    if (priority) return;
    contact.refused = kInvalidPriority;
    contact.detail = fmt::format("priority '{}' is no number from -99 to 99", value);
  } else {
    contact.variables.emplace(name, std::move(value));
  }
}

/// The column of an export as the file had it that the list was made from: "var.city" was "city". nullopt: it had none.
std::optional<std::string> of_export(const std::string& column) {
  constexpr std::string_view kVariable = "var.";
  if (kOfExport.contains(column)) return std::nullopt;
  return column.starts_with(kVariable) ? column.substr(kVariable.size()) : column;
}

std::string listed(const std::vector<std::string>& columns) {
  return columns.empty() ? "none" : join(columns, ", ");
}

}  // namespace

std::optional<int> parse_priority(std::string_view text) {
  const auto priority = parse_number<int>(text);
  return priority && *priority >= -99 && *priority <= 99 ? priority : std::nullopt;
}

Reader::Reader(std::string region, OnContact on_contact, Format format)
    : region_(std::move(region)),
      on_contact_(std::move(on_contact)),
      format_(format),
      parser_([this](CsvRecord&& record) { return on_record(std::move(record)); }) {}

Status Reader::feed(std::string_view bytes) {
  if (format_ == Format::csv) return parser_.feed(bytes);
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    partial_line_ += bytes.substr(0, end);
    if (partial_line_.size() > kRecordBytesMax) {
      return Error{Errc::limit, fmt::format("line {}: the line is longer than {} bytes", lines_ + 1,
                                            kRecordBytesMax)};
    }
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
    CALL_CHECK(on_line(std::exchange(partial_line_, {})));
  }
  return {};
}

Status Reader::finish() {
  if (format_ == Format::json_lines) {
    if (!partial_line_.empty()) CALL_CHECK(on_line(std::exchange(partial_line_, {})));
    if (objects_ > 0) return {};
    return Error{Errc::invalid_argument, "the file is empty: a line with a JSON object is wanted"};
  }
  CALL_CHECK(parser_.finish());
  if (columns_.empty()) {
    return Error{Errc::invalid_argument,
                 "the file is empty: the first line must name the columns, e.g. phone,name"};
  }
  return {};
}

Status Reader::on_record(CsvRecord&& record) {
  if (columns_.empty()) return on_header(record);
  auto contact = contact_of(std::move(record));
  judge(contact);
  return on_contact_(std::move(contact));
}

Status Reader::on_header(const CsvRecord& record) {
  std::vector<std::string> names;
  for (const auto& field : record.fields) {
    auto name = to_lower_ascii(trim(field));
    if (name.empty()) {
      return Error{Errc::invalid_argument,
                   fmt::format("line {}: column {} has no name", record.line, names.size() + 1)};
    }
    if (std::ranges::find(names, name) != names.end()) {
      return Error{Errc::invalid_argument,
                   fmt::format("line {}: two columns are called '{}'", record.line, name)};
    }
    names.push_back(std::move(name));
  }
  if (std::ranges::find(names, "phone") == names.end()) {
    return Error{Errc::invalid_argument,
                 fmt::format("line {}: no column is called 'phone'; the columns are: {}",
                             record.line, listed(names))};
  }
  exported_ = std::ranges::all_of(kMarksOfExport, [&](std::string_view mark) {
    return std::ranges::find(names, mark) != names.end();
  });
  for (const auto& name : names) columns_.push_back(exported_ ? of_export(name) : name);
  return {};
}

Contact Reader::contact_of(CsvRecord&& record) {
  Contact contact;
  contact.line = record.line;
  for (std::size_t i = 0; i < std::min(columns_.size(), record.fields.size()); ++i) {
    if (!columns_[i]) continue;
    auto value = std::string(trim(record.fields[i]));
    set(contact, *columns_[i], exported_ ? without_guard(std::move(value)) : std::move(value));
  }
  if (record.fields.size() != columns_.size()) {
    contact.refused = kWrongFieldCount;
    contact.detail =
        fmt::format("{} fields, the header has {}", record.fields.size(), columns_.size());
  }
  return contact;
}

/// One object. A line that is no object is a fault of the file: who knows what it was meant to be.
Status Reader::on_line(std::string_view line) {
  ++lines_;
  if (lines_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  line = trim(line);
  if (line.empty()) return {};
  CALL_TRY(const auto object,
           json::parse(line, {kRecordBytesMax, 8}, fmt::format("line {}", lines_)));
  if (!object.is_object())
    return Error{Errc::invalid_argument, fmt::format("line {}: no JSON object", lines_)};
  ++objects_;
  Contact contact;
  contact.line = lines_;
  const bool exported = std::ranges::all_of(
      kMarksOfExport, [&](std::string_view mark) { return object.contains(mark); });
  for (const auto& item : object.items()) {
    const auto key = to_lower_ascii(item.key());
    const auto column = exported ? of_export(key) : key;
    if (!column) continue;
    const auto& name = *column;
    if (item.value().is_string()) {
      set(contact, name, std::string(trim(item.value().get_ref<const std::string&>())));
    } else if (name == "variables" && item.value().is_object()) {
      for (const auto& variable : item.value().items()) {
        contact.variables.emplace(variable.key(), variable.value().is_string()
                                                      ? variable.value().get<std::string>()
                                                      : json::dump(variable.value()));
      }
    } else if (name == "priority" && item.value().is_number_integer()) {
      set(contact, name, json::dump(item.value()));
    } else if (item.value().is_null()) {
      continue;
    } else if (kKnown.contains(name) || item.value().is_structured()) {
      contact.refused = kInvalidMember;
      contact.detail = fmt::format("\"{}\" must be a text", item.key());
    } else {
      contact.variables.emplace(std::move(name), json::dump(item.value()));
    }
  }
  judge(contact);
  return on_contact_(std::move(contact));
}

void Reader::judge(Contact& contact) {
  if (contact.phone_raw.empty()) {
    if (contact.refused.empty()) {
      contact.refused = kMissingNumber;
      contact.detail = "the row has no telephone number";
    }
    return;
  }
  const auto number = to_e164(contact.phone_raw, region_);
  if (!number) {
    if (contact.refused.empty()) {
      contact.refused = kInvalidNumber;
      contact.detail = contact.phone_raw.starts_with('+') || !region_.empty()
                           ? "not a valid telephone number"
                           : "not a valid number; without a country code it needs --region";
    }
    return;
  }
  contact.phone = *number;
  if (!contact.refused.empty()) return;
  const auto [first, fresh] = line_of_number_.emplace(*number, contact.line);
  if (!fresh) {
    contact.refused = kDuplicate;
    contact.detail = fmt::format("the same number as line {}", first->second);
  }
}

}  // namespace call::contacts
