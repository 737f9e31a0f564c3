// Server-sent events (WHATWG HTML, section 9.2), split anywhere. Pure; one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::provider {

class SseParser {
 public:
  static constexpr std::size_t kMaxEvent = 1U << 20;

  /// Takes the next bytes and calls `on_data` with the data of each event that they complete; what
  /// is no "data" field is skipped. Errc::limit when an event is larger than kMaxEvent; the parser is
  /// of no use after that.
  Status feed(std::string_view bytes, const std::function<void(std::string_view data)>& on_data);

 private:
  void end_of_line(const std::function<void(std::string_view)>& on_data);

  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool first_line_ = true;
};

}  // namespace call::provider
