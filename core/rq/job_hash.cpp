#include "core/rq/job_hash.hpp"

#include "core/base/strings.hpp"

namespace call::rq {

Fields read_fields(const redis::Reply& flat) {
  Fields out;
  for (std::size_t i = 0; i + 1 < flat.items.size(); i += 2)
    out[flat.items[i].text] = flat.items[i + 1].text;
  return out;
}

const std::string& raw_field(const Fields& fields, std::string_view name) {
  static const std::string empty;
  const auto found = fields.find(name);
  return found == fields.end() ? empty : found->second;
}

std::string text_field(const Fields& fields, std::string_view name) {
  return to_valid_utf8(raw_field(fields, name));
}

std::optional<std::int64_t> number_field(const Fields& fields, std::string_view name) {
  return parse_number<std::int64_t>(raw_field(fields, name));
}

std::optional<WallTime> time_field(const Fields& fields, std::string_view name) {
  return parse_rfc3339(raw_field(fields, name));
}

}  // namespace call::rq
