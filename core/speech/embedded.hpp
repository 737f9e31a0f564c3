// The data files that are part of the binary (data/README.md says where they come from).
#pragma once

#include <string_view>

namespace call::speech {

std::string_view embedded_silero_onnx();
std::string_view embedded_cepstral_map();

}  // namespace call::speech
