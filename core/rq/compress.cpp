#include "core/rq/compress.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "core/base/assert.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kFirstBytes = 4096;

Bytef* as_bytes(char* text) {
  return reinterpret_cast<Bytef*>(text);
}  // NOLINT: zlib's type
const Bytef* as_bytes(const char* text) {
  return reinterpret_cast<const Bytef*>(text);  // NOLINT: zlib's type
}

}  // namespace

std::string deflate(std::string_view bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int code = compress(as_bytes(out.data()), &size, as_bytes(bytes.data()),
                            static_cast<uLong>(bytes.size()));
  CALL_ASSERT(code == Z_OK);  // the only failures are no memory and no room
  out.resize(size);
  return out;
}

Result<std::string> inflate(std::string_view bytes, std::size_t max_bytes) {
  z_stream stream{};
  CALL_ASSERT(inflateInit(&stream) == Z_OK);
  stream.next_in = const_cast<Bytef*>(as_bytes(bytes.data()));  // NOLINT: zlib never writes it
  stream.avail_in = static_cast<uInt>(bytes.size());

  std::string out;
  int code = Z_OK;
  while (code == Z_OK && out.size() <= max_bytes) {
    const std::size_t done = out.size();
    out.resize(std::min(std::max(done * 2, kFirstBytes), max_bytes + 1));
    stream.next_out = as_bytes(out.data() + done);
    stream.avail_out = static_cast<uInt>(out.size() - done);
    code = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (code == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) code = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (out.size() > max_bytes)
    return Error{Errc::limit, fmt::format("compressed data of more than {} bytes", max_bytes)};
  if (code != Z_STREAM_END) return Error{Errc::invalid_argument, "data that zlib cannot read"};
  return out;
}

}  // namespace call::rq
