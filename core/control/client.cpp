#include <nlohmann/json.hpp>

#include "core/control/control.hpp"
#include "core/control/socket.hpp"

namespace call::control {
namespace {

Errc code_named(std::string_view name) {
  for (const Errc code : {Errc::invalid_argument, Errc::not_found, Errc::conflict, Errc::permission,
                          Errc::unavailable, Errc::timeout, Errc::cancelled, Errc::closed,
                          Errc::protocol, Errc::limit, Errc::io}) {
    if (name == to_string(code)) return code;
  }
  return Errc::internal;
}

}  // namespace

Result<Json> call(const std::filesystem::path& path, const Json& request, Deadline deadline) {
  CALL_TRY(const auto socket, connect_to(path));
  CALL_CHECK(write_line(socket, json::dump(request), deadline));
  CALL_TRY(const auto line, read_line(socket, deadline));
  CALL_TRY(const auto answer, json::parse(line, {kLineBytesMax, 16}, "the answer"));
  CALL_TRY(const bool ok, json::get_bool(answer, "ok"));
  if (!ok) {
    CALL_TRY(auto text, json::get_string(answer, "error"));
    CALL_TRY(const auto code, json::get_string_or(answer, "code", "internal"));
    return Error{code_named(code), std::move(text)};
  }
  const Json* result = json::find(answer, "result");
  return result == nullptr ? Json() : *result;
}

}  // namespace call::control
