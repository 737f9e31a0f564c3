// The tape of a call: everything that came into it and everything that was decided, in order, so
// that the same code can be run on it again. The file is kTapeMagic and then chunks, each of one
// track; a track is a sequence of items. A file that ends in the middle (a crash, a full disk) is
// read up to there. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::record {

inline constexpr std::string_view kTapeFile = "capture.tape";
inline constexpr std::string_view kTapeMagic = "calld-tape 1\n";

/// Which of the two machines of a call: they run on threads of their own, each with a track.
enum class Track : std::uint8_t { session = 1, handler = 2 };

struct TapeItem {
  char kind = 0;  ///< the track's own alphabet
  std::int64_t at_ns = 0;
  std::string_view bytes;  ///< into the track
};

/// One track being written.
class TapeWriter {
 public:
  void put(char kind, std::int64_t at_ns, std::string_view bytes = {});
  void put_number(char kind, std::int64_t at_ns, std::int64_t number);
  /// What was written since the last call.
  std::string take();
  std::size_t waiting() const { return buffer_.size(); }
  std::uint64_t total() const { return total_; }  ///< bytes, taken or not

 private:
  std::string buffer_;
  std::int64_t last_ns_ = 0;
  std::uint64_t total_ = 0;
};

/// One track being read.
class TapeReader {
 public:
  explicit TapeReader(std::string_view track) : rest_(track) {}
  /// The next item, which stays the next one until next() is called; nullopt at the end.
  const std::optional<TapeItem>& peek();
  std::optional<TapeItem> next();
  /// The track ended in the middle of an item.
  bool truncated() const { return truncated_; }

 private:
  std::string_view rest_;
  std::int64_t last_ns_ = 0;
  std::optional<TapeItem> ahead_;
  bool truncated_ = false;
};

/// A chunk as it is appended to the file.
std::string tape_chunk(Track track, std::string_view bytes);

/// The tracks of a whole file. Errc::protocol: it is no tape, or of a newer version.
Result<std::map<Track, std::string>> read_tape(std::string_view file);

/// The number of put_number(); nullopt when the bytes are none.
std::optional<std::int64_t> tape_number(std::string_view bytes);
void append_number(std::string& out, std::int64_t number);
/// Takes a number off the front; nullopt when there is none.
std::optional<std::int64_t> take_number(std::string_view& bytes);

}  // namespace call::record
