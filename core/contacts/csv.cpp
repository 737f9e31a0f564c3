#include "core/contacts/csv.hpp"

#include <fmt/format.h>

#include "core/base/strings.hpp"

namespace call::contacts {

Error CsvParser::error(std::string_view what) const {
  return {Errc::invalid_argument, fmt::format("line {}: {}", line_, what)};
}

Status CsvParser::feed(std::string_view bytes) {
  for (const char c : bytes) {
    // The mark may come in pieces; a first byte that is not part of one ends the search.
    if (bom_seen_ < kByteOrderMark.size()) {
      if (c == kByteOrderMark[bom_seen_]) {
        ++bom_seen_;
        continue;
      }
      const auto swallowed = bom_seen_;
      bom_seen_ = kByteOrderMark.size();
      for (const char earlier : kByteOrderMark.substr(0, swallowed)) CALL_CHECK(take(earlier));
    }
    CALL_CHECK(take(c));
  }
  return {};
}

Status CsvParser::take(char c) {
  ++column_;
  if (++record_bytes_ > kRecordBytesMax) {
    return Error{
        Errc::limit,
        fmt::format("line {}: the record is longer than {} bytes; is a quotation mark open?",
                    record_.line == 0 ? line_ : record_.line, kRecordBytesMax)};
  }
  if (!begun_ && c != '\n' && c != '\r') {
    begun_ = true;
    record_.line = line_;
  }
  switch (in_) {
    case In::field_start:
    case In::plain:
      if (c == '"' && in_ == In::field_start) {
        in_ = In::quoted;
      } else if (c == ',') {
        CALL_CHECK(end_field());
      } else if (c == '\n') {
        CALL_CHECK(end_record());
      } else {
        field_ += c;
        in_ = In::plain;
      }
      break;
    case In::quoted:
      if (c == '"') {
        in_ = In::quote_in_quoted;
      } else {
        field_ += c;
      }
      break;
    case In::quote_in_quoted:
      if (c == '"') {
        field_ += '"';
        in_ = In::quoted;
      } else if (c == ',') {
        CALL_CHECK(end_field());
      } else if (c == '\n') {
        CALL_CHECK(end_record());
      } else if (c != '\r') {
        return error("a quotation mark inside a quoted field must be doubled");
      }
      break;
  }
  if (c == '\n') {
    ++line_;
    column_ = 0;
  }
  return {};
}

Status CsvParser::end_field() {
  if (record_.fields.size() >= kFieldsMax) {
    return Error{Errc::limit, fmt::format("line {}: more than {} fields", line_, kFieldsMax)};
  }
  record_.fields.push_back(std::move(field_));
  field_.clear();
  in_ = In::field_start;
  return {};
}

Status CsvParser::end_record() {
  if (in_ == In::plain && field_.ends_with('\r')) field_.pop_back();
  record_bytes_ = 0;
  const bool blank = record_.fields.empty() && in_ != In::quote_in_quoted && trim(field_).empty();
  if (blank) {
    field_.clear();
    in_ = In::field_start;
    begun_ = false;
    return {};
  }
  CALL_CHECK(end_field());
  begun_ = false;
  for (std::size_t i = 0; i < record_.fields.size(); ++i) {
    // A NUL is valid UTF-8, but in a text file it means UTF-16, and PostgreSQL stores none.
    const auto& field = record_.fields[i];
    if (is_valid_utf8(field) && field.find('\0') == std::string::npos) continue;
    return Error{Errc::invalid_argument,
                 fmt::format("line {}, field {}: the text is not UTF-8; convert the file first, "
                             "e.g. iconv -f WINDOWS-1252 -t UTF-8",
                             record_.line, i + 1)};
  }
  auto record = std::exchange(record_, {});
  return on_record_(std::move(record));
}

Status CsvParser::finish() {
  for (const char earlier :
       kByteOrderMark.substr(0, bom_seen_ < kByteOrderMark.size() ? bom_seen_ : 0)) {
    CALL_CHECK(take(earlier));
  }
  if (in_ == In::quoted) {
    return Error{Errc::invalid_argument,
                 fmt::format("line {}: a quotation mark is never closed", record_.line)};
  }
  return begun_ ? end_record() : Status();
}

}  // namespace call::contacts
