#include "core/provider/sse.hpp"

namespace call::provider {

Status SseParser::feed(std::string_view bytes,
                       const std::function<void(std::string_view)>& on_data) {
  for (const char c : bytes) {
    const bool second_of_crlf = c == '\n' && after_cr_;
    after_cr_ = c == '\r';
    if (second_of_crlf) continue;
    if (c == '\n' || c == '\r') {
      end_of_line(on_data);
      continue;
    }
    if (line_.size() + data_.size() >= kMaxEvent)
      return Error{Errc::limit, "an event of the stream is larger than 1 MiB"};
    line_ += c;
  }
  return {};
}

void SseParser::end_of_line(const std::function<void(std::string_view)>& on_data) {
  std::string_view line = line_;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (first_line_ && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  first_line_ = false;
  if (line.empty()) {
    if (has_data_) on_data(data_);
    data_.clear();
    has_data_ = false;
  } else if (line == "data" || line.starts_with("data:")) {
    auto value = line.substr(line.size() > 4 ? 5 : 4);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
  line_.clear();
}

}  // namespace call::provider
