#include "core/contacts/contacts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.hpp"
#include "core/contacts/phone.hpp"

namespace call::contacts {
namespace {

std::string listed(const std::vector<std::string>& columns) {
  return columns.empty() ? "none" : join(columns, ", ");
}

}  // namespace

Reader::Reader(std::string region, OnContact on_contact)
    : region_(std::move(region)),
      on_contact_(std::move(on_contact)),
      parser_([this](CsvRecord&& record) { return on_record(std::move(record)); }) {}

Status Reader::finish() {
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
  for (const auto& field : record.fields) {
    auto name = to_lower_ascii(trim(field));
    if (name.empty()) {
      return Error{Errc::invalid_argument,
                   fmt::format("line {}: column {} has no name", record.line, columns_.size() + 1)};
    }
    if (std::ranges::find(columns_, name) != columns_.end()) {
      return Error{Errc::invalid_argument,
                   fmt::format("line {}: two columns are called '{}'", record.line, name)};
    }
    columns_.push_back(std::move(name));
  }
  if (std::ranges::find(columns_, "phone") == columns_.end()) {
    return Error{Errc::invalid_argument,
                 fmt::format("line {}: no column is called 'phone'; the columns are: {}",
                             record.line, listed(columns_))};
  }
  return {};
}

Contact Reader::contact_of(CsvRecord&& record) {
  Contact contact;
  contact.line = record.line;
  for (std::size_t i = 0; i < std::min(columns_.size(), record.fields.size()); ++i) {
    auto value = std::string(trim(record.fields[i]));
    if (columns_[i] == "phone") {
      contact.phone_raw = std::move(value);
    } else if (columns_[i] == "name") {
      contact.name = std::move(value);
    } else if (columns_[i] == "not_after") {
      if (value.empty()) continue;
      contact.not_after = parse_rfc3339(value);
      if (!contact.not_after) {
        contact.refused = kInvalidNotAfter;
        contact.detail =
            fmt::format("not_after '{}' is no time such as 2026-11-23T18:00:00Z", value);
      }
    } else {
      contact.variables.emplace(columns_[i], std::move(value));
    }
  }
  if (record.fields.size() != columns_.size()) {
    contact.refused = kWrongFieldCount;
    contact.detail =
        fmt::format("{} fields, the header has {}", record.fields.size(), columns_.size());
  }
  return contact;
}

void Reader::judge(Contact& contact) {
  if (contact.phone_raw.empty()) {
    if (contact.refused.empty()) contact.refused = kMissingNumber;
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
