#include "core/speech/onnx.hpp"

#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

namespace call::speech {
namespace {

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  Wire wire = Wire::varint;
  std::uint64_t value = 0;  ///< of a varint
  std::string_view bytes;   ///< of everything else
};

/// Walks the fields of one protobuf message; stops at the first byte that makes no sense.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::optional<Field> next() {
    const auto key = varint();
    if (!key) return std::nullopt;
    Field field;
    field.number = *key >> 3;
    field.wire = static_cast<Wire>(*key & 7);
    std::optional<std::uint64_t> length;
    switch (field.wire) {
      case Wire::varint: {
        const auto value = varint();
        if (!value) return std::nullopt;
        field.value = *value;
        return field;
      }
      case Wire::fixed64:
        length = 8;
        break;
      case Wire::fixed32:
        length = 4;
        break;
      case Wire::bytes:
        length = varint();
        break;
    }
    if (!length || *length > rest_.size()) return std::nullopt;
    field.bytes = rest_.substr(0, *length);
    rest_.remove_prefix(*length);
    return field;
  }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

namespace field {
constexpr std::uint64_t kModelGraph = 7;
constexpr std::uint64_t kGraphNode = 1;
constexpr std::uint64_t kNodeAttribute = 5;
constexpr std::uint64_t kAttributeName = 1;
constexpr std::uint64_t kAttributeTensor = 5;
constexpr std::uint64_t kAttributeGraph = 6;
constexpr std::uint64_t kTensorDims = 1;
constexpr std::uint64_t kTensorType = 2;
constexpr std::uint64_t kTensorFloats = 4;
constexpr std::uint64_t kTensorRaw = 9;
}  // namespace field

constexpr std::uint64_t kTypeFloat = 1;

std::vector<float> floats_of(std::string_view bytes) {
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

std::optional<Tensor> float_tensor(std::string_view bytes) {
  Tensor tensor;
  std::uint64_t type = 0;
  Reader reader(bytes);
  while (const auto f = reader.next()) {
    if (f->number == field::kTensorDims && f->wire == Wire::varint) {
      tensor.shape.push_back(static_cast<std::int64_t>(f->value));
    } else if (f->number == field::kTensorDims) {
      Reader packed(f->bytes);
      while (const auto dim = packed.varint())
        tensor.shape.push_back(static_cast<std::int64_t>(*dim));
    } else if (f->number == field::kTensorType) {
      type = f->value;
    } else if (f->number == field::kTensorFloats || f->number == field::kTensorRaw) {
      const auto more = floats_of(f->bytes);
      tensor.values.insert(tensor.values.end(), more.begin(), more.end());
    }
  }
  if (type != kTypeFloat || tensor.values.empty()) return std::nullopt;
  return tensor;
}

void collect(std::string_view graph, std::string_view branch, bool inside,
             std::vector<Tensor>& out);

void collect_attribute(std::string_view bytes, std::string_view branch, bool inside,
                       std::vector<Tensor>& out) {
  std::string_view name;
  Reader reader(bytes);
  while (const auto f = reader.next()) {
    if (f->number == field::kAttributeName) name = f->bytes;
    if (f->number == field::kAttributeTensor && inside) {
      if (auto tensor = float_tensor(f->bytes)) out.push_back(*std::move(tensor));
    }
    // The name precedes the graph in every writer known; one level is enough.
    if (f->number == field::kAttributeGraph && !inside && name == branch) {
      collect(f->bytes, branch, true, out);
    }
  }
}

void collect(std::string_view graph, std::string_view branch, bool inside,
             std::vector<Tensor>& out) {
  Reader nodes(graph);
  while (const auto node = nodes.next()) {
    if (node->number != field::kGraphNode || node->wire != Wire::bytes) continue;
    Reader attributes(node->bytes);
    while (const auto attribute = attributes.next()) {
      if (attribute->number == field::kNodeAttribute && attribute->wire == Wire::bytes) {
        collect_attribute(attribute->bytes, branch, inside, out);
      }
    }
  }
}

}  // namespace

std::vector<Tensor> branch_constants(std::string_view onnx, std::string_view branch) {
  std::vector<Tensor> out;
  Reader model(onnx);
  while (const auto f = model.next()) {
    if (f->number == field::kModelGraph && f->wire == Wire::bytes)
      collect(f->bytes, branch, false, out);
  }
  return out;
}

}  // namespace call::speech
