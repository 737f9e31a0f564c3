#include "core/record/folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/affinity.hpp"
#include "core/base/files.hpp"

namespace call::record {
namespace {

constexpr std::size_t kMaxRecordBytes = 4U << 20;
constexpr std::size_t kMaxCallSid = 64;

Status sync_directory(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::fsync(fd) != 0) {
    const int number = errno;
    if (fd >= 0) ::close(fd);
    return Error{Errc::io, fmt::format("cannot sync {}: {}", path.string(), std::strerror(number))};
  }
  ::close(fd);
  return {};
}

}  // namespace

bool is_safe_call_sid(std::string_view call_sid) {
  if (call_sid.empty() || call_sid.size() > kMaxCallSid) return false;
  return call_sid.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
         std::string_view::npos;
}

Result<CallRecord> read_folder(const std::filesystem::path& folder) {
  const auto path = folder / kRecordFile;
  CALL_TRY(const auto text, read_file(path, kMaxRecordBytes));
  return from_json_text(text).with_context(path.string());
}

Status write_texts(const std::filesystem::path& folder, const CallRecord& record) {
  CALL_CHECK(write_file_atomic(folder / kRecordFile, to_json_text(record)));
  return write_file_atomic(folder / kTranscriptFile, transcript_text(record));
}

Status publish(const std::filesystem::path& spool, std::string_view call_sid) {
  assert_may_block("record::publish");
  if (!is_safe_call_sid(call_sid)) {
    return Error{Errc::invalid_argument, "the call id is not safe as a folder's name"};
  }
  const auto part = spool / (std::string(call_sid) + std::string(kPartSuffix));
  const auto whole = spool / call_sid;
  CALL_CHECK(sync_directory(part));
  // rename(2) replaces an empty folder silently, and refuses one with contents.
  std::error_code error;
  if (std::filesystem::exists(whole, error)) {
    return Error{Errc::conflict, fmt::format("{} exists already", whole.string())};
  }
  if (::rename(part.c_str(), whole.c_str()) != 0) {
    return Error{Errc::io,
                 fmt::format("cannot rename {}: {}", part.string(), std::strerror(errno))};
  }
  return sync_directory(spool);
}

}  // namespace call::record
