// Random identifiers. All from the kernel's generator; safe to use as unguessable tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace call {

/// Fills `out` from getrandom(2); aborts if the kernel has no randomness. Thread-safe.
void fill_random(std::span<std::uint8_t> out);
/// `bytes` random bytes as lower-case hex.
std::string random_hex(std::size_t bytes);
/// Random UUID (version 4), lower case with dashes.
std::string random_uuid();

}  // namespace call
