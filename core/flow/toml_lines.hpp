// Where in a TOML text a key stands, for error messages about a document that has been read
// already. Pure; finds plain "[table]" headers and "key =" lines, which is how agents are written.
#pragma once

#include <string_view>

namespace call::flow {

/// The 1-based line of a dotted path ("states.rating.next"): of the key, else of its table, else 1.
int line_of(std::string_view toml, std::string_view path);

}  // namespace call::flow
