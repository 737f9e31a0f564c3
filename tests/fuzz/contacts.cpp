// Files of contacts, CSV and JSON lines: the same contacts come out of the same bytes, however they
// are cut.
#include <algorithm>

#include "core/base/assert.hpp"
#include "core/contacts/contacts.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

std::string read_all(std::string_view bytes, contacts::Format format, std::size_t piece) {
  std::string out;
  const auto note = [&](contacts::Contact&& contact) -> Status {
    CALL_ASSERT(contact.refused.empty() ? !contact.phone.empty() : !contact.detail.empty());
    out += std::to_string(contact.line) + contact.phone + std::string(contact.refused) + "\n";
    return {};
  };
  contacts::Reader reader("US", note, format);
  Status status;
  for (std::size_t at = 0; at < bytes.size() && status; at += piece)
    status = reader.feed(bytes.substr(at, piece));
  if (status) status = reader.finish();
  return status ? out : out + status.error().to_string();
}

}  // namespace

// The first byte of an input chooses the format and the size of the pieces.
std::vector<std::string> seeds() {
  return {
      "\x02phone,name,not_after,timezone,city\r\n+12025550143,\"Doe, "
      "\"\"J\"\"\",2030-01-01T00:00:00Z,"
      "America/New_York,\"two\nlines\"\r\n(202) 555-0144,,,,\n\n12,x\n",
      "\x04\xef\xbb\xbfname,phone\n\"a\"\"b\",+442079460958\n,\n",
      "\x03{\"phone\": \"+12025550143\", \"name\": \"x\", \"amount\": 3.5, \"ok\": true}\n"
      "{\"phone\": 2025550144, \"timezone\": \"Asia/Jerusalem\"}\n\n{}\n"};
}

void feed(std::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<unsigned char>(input[0]);
  const auto format = choice % 2 == 0 ? contacts::Format::csv : contacts::Format::json_lines;
  input.remove_prefix(1);
  CALL_ASSERT(read_all(input, format, 1 + choice / 2) == read_all(input, format, input.size() + 1));
}

}  // namespace call::fuzz
