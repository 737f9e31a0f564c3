// The pages' style and script in the binary, so that a report is one file.
#include "core/report/assets.hpp"

#include <cstddef>

// clang-format off
#define CALL_EMBED(name, file)                     \
  __asm__(".section .rodata.call_report, \"a\"\n"  \
          ".global " #name "\n"                    \
          ".global " #name "_end\n"                \
          #name ":\n"                              \
          ".incbin \"" CALL_REPORT_ASSETS "/" file "\"\n" \
          #name "_end:\n"                          \
          ".byte 0\n"                              \
          ".previous\n")
// clang-format on

CALL_EMBED(call_report_css, "page.css");
CALL_EMBED(call_report_js, "page.js");

extern "C" {
extern const char call_report_css[];
extern const char call_report_css_end[];
extern const char call_report_js[];
extern const char call_report_js_end[];
}

namespace call::report {

std::string_view page_css() {
  return {call_report_css, static_cast<std::size_t>(call_report_css_end - call_report_css)};
}

std::string_view page_js() {
  return {call_report_js, static_cast<std::size_t>(call_report_js_end - call_report_js)};
}

}  // namespace call::report
