// Just enough of ONNX's protobuf to fetch constant tensors out of a model: no graph is run from it.
// Source of the field numbers: onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto,
// TensorProto).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace call::speech {

struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// All float constants inside the sub-graphs that nodes of the main graph carry in an attribute
/// `branch`
/// ("then_branch", "else_branch"), in file order. Malformed input yields fewer tensors, never a
/// fault.
std::vector<Tensor> branch_constants(std::string_view onnx, std::string_view branch);

}  // namespace call::speech
