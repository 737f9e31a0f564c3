#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
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

/// ROLE.sock, whether it is there or not, then what is there of ROLE-PID.sock.
std::vector<std::filesystem::path> sockets(const std::filesystem::path& directory,
                                           std::string_view role) {
  std::vector<std::filesystem::path> further;
  std::error_code unreadable;  // then connecting to the first one says why
  for (const auto& file : std::filesystem::directory_iterator(directory, unreadable)) {
    const auto name = file.path().filename().string();
    std::string_view pid = name;
    if (!pid.starts_with(role) || !pid.ends_with(".sock")) continue;
    pid.remove_prefix(role.size());
    pid.remove_suffix(std::string_view(".sock").size());
    if (pid.starts_with('-') && parse_number<int>(pid.substr(1))) further.push_back(file.path());
  }
  std::sort(further.begin(), further.end());
  further.insert(further.begin(), directory / (std::string(role) + ".sock"));
  return further;
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

Result<std::vector<Json>> call_all(const std::filesystem::path& directory, std::string_view role,
                                   const Json& request, Deadline deadline) {
  std::vector<Json> answers;
  std::optional<Error> nobody;
  for (const auto& path : sockets(directory, role)) {
    auto answer = call(path, request, deadline);
    if (answer) {
      answers.push_back(*std::move(answer));
    } else if (answer.error().code != Errc::unavailable) {
      return std::move(answer).error();
    } else if (!nobody) {
      nobody = std::move(answer).error();
    }
  }
  if (answers.empty()) return *nobody;
  return answers;
}

}  // namespace call::control
