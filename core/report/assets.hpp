#pragma once

#include <string_view>

namespace call::report {

/// assets/page.css and assets/page.js, as they were when the program was built.
std::string_view page_css();
std::string_view page_js();

}  // namespace call::report
