// RFC 4180 CSV, read record by record from any source of bytes. A leading byte order mark is
// dropped, CRLF and LF both end a record, empty lines are passed over.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace call::contacts {

/// What some programs put before text in UTF-8.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
inline constexpr std::size_t kRecordBytesMax = 1U << 20;
inline constexpr std::size_t kFieldsMax = 256;

struct CsvRecord {
  std::size_t line = 0;  ///< of the record's first byte, from 1
  std::vector<std::string> fields;
};

/// A parser fed in pieces of any size. Pure: no file.
class CsvParser {
 public:
  using OnRecord = std::function<Status(CsvRecord&&)>;
  explicit CsvParser(OnRecord on_record) : on_record_(std::move(on_record)) {}

  /// Errc::limit or Errc::invalid_argument name the line; or the error of on_record. The parser is
  /// then spent.
  Status feed(std::string_view bytes);
  /// After the last piece: hands over a last record that lacks its line break.
  Status finish();

 private:
  enum class In { field_start, plain, quoted, quote_in_quoted };

  Status take(char c);
  Status end_field();
  Status end_record();
  Error error(std::string_view what) const;

  OnRecord on_record_;
  In in_ = In::field_start;
  CsvRecord record_;
  std::string field_;
  std::size_t record_bytes_ = 0;
  std::size_t line_ = 1;
  std::size_t column_ = 0;  ///< bytes into the line, for errors
  std::size_t bom_seen_ = 0;
  bool begun_ = false;  ///< the current record has a byte
};

}  // namespace call::contacts
