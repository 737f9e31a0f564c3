// Data in the binary, so that it runs from anywhere. .incbin instead of a generated array: 2 MB of
// source text would take g++ half a minute and a gigabyte.
#include "core/speech/embedded.hpp"

#include <cstddef>

#define CALL_EMBED(symbol, file)                            \
  __asm__(                                                  \
      ".section .rodata.call_embedded, \"a\"\n"             \
      ".global " #symbol                                    \
      "\n"                                                  \
      ".global " #symbol                                    \
      "_end\n"                                              \
      ".balign 16\n" #symbol                                \
      ":\n"                                                 \
      ".incbin \"" CALL_SPEECH_DATA "/" file "\"\n" #symbol \
      "_end:\n"                                             \
      ".byte 0\n"                                           \
      ".previous\n")

CALL_EMBED(call_silero_vad_onnx, "silero_vad.onnx");
CALL_EMBED(call_cepstral_map, "narrowband_cepstral_map.bin");

extern "C" {
extern const char call_silero_vad_onnx[];
extern const char call_silero_vad_onnx_end[];
extern const char call_cepstral_map[];
extern const char call_cepstral_map_end[];
}

namespace call::speech {

std::string_view embedded_silero_onnx() {
  return {call_silero_vad_onnx,
          static_cast<std::size_t>(call_silero_vad_onnx_end - call_silero_vad_onnx)};
}

std::string_view embedded_cepstral_map() {
  return {call_cepstral_map, static_cast<std::size_t>(call_cepstral_map_end - call_cepstral_map)};
}

}  // namespace call::speech
