// Whole files, read and replaced. These block: never on a loop thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call {

/// The file's bytes; Errc::limit above max_bytes, Errc::not_found, Errc::permission or Errc::io with the path named.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes = 64U << 20);
/// The same from an open descriptor, to its end; `name` is for errors.
Result<std::string> read_descriptor(int fd, const std::string& name, std::size_t max_bytes);
/// Writes beside the target, fsyncs, renames over it: readers see the old file or the new one, never half.
Status write_file_atomic(const std::filesystem::path& path, std::string_view bytes,
                         int mode = 0644);

}  // namespace call
