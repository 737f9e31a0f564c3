// A temporary directory of one test, gone when the test is.
#pragma once

#include <filesystem>

namespace call::support {

class ScratchDir {
 public:
  ScratchDir();  ///< mode 0755, so that servers of other users can reach it
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace call::support
