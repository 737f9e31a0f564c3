#include "core/base/error.hpp"

namespace call {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::not_found:
      return "not_found";
    case Errc::conflict:
      return "conflict";
    case Errc::permission:
      return "permission";
    case Errc::unavailable:
      return "unavailable";
    case Errc::timeout:
      return "timeout";
    case Errc::cancelled:
      return "cancelled";
    case Errc::closed:
      return "closed";
    case Errc::protocol:
      return "protocol";
    case Errc::limit:
      return "limit";
    case Errc::io:
      return "io";
    case Errc::internal:
      return "internal";
  }
  return "unknown";
}

Error Error::with_context(std::string_view what) && {
  context.insert(0, ": ").insert(0, what);
  return std::move(*this);
}

std::string Error::to_string() const {
  std::string text = context;
  text.append(" (").append(call::to_string(code)).append(")");
  return text;
}

}  // namespace call
