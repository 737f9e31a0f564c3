// The simulator as oracle: <dir>/creates.jsonl has a line for each create-call that was accepted,
// on the disk before the telephone rings and before the answer leaves. Whoever wants to know how
// often a number was really called counts these lines.
#pragma once

#include <filesystem>
#include <string>

#include "core/base/result.hpp"

namespace call::sim {

class CreateLog {
 public:
  CreateLog() = default;
  ~CreateLog();
  CreateLog(const CreateLog&) = delete;
  CreateLog& operator=(const CreateLog&) = delete;

  /// Appends to what is there. An empty `dir`: nothing is written.
  Status open(const std::filesystem::path& dir);
  /// Returns when the line is on the disk. Thread-safe; blocks.
  Status append(std::string line) const;

 private:
  int fd_ = -1;
};

}  // namespace call::sim
