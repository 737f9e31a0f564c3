// A parser that is fed with damaged input. Each other file of this folder, driver.cpp and
// coverage.cpp apart, is one: it defines the two functions below, and is a program of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace call::fuzz {

/// Inputs that the parser accepts, of every kind it knows: what the others are made of.
std::vector<std::string> seeds();

/// Feeds the parser. Returns whatever becomes of the input; a promise that does not hold is a
/// CALL_ASSERT.
void feed(std::string_view input);

}  // namespace call::fuzz
