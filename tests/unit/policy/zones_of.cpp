// For number_zones.py: numbers on standard input, one a line; the zones of each on standard output.
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "core/base/strings.hpp"
#include "core/policy/number_zones.hpp"

int main() {
  for (std::string number; std::getline(std::cin, number);) {
    std::string zones;
    for (const auto zone : call::policy::zones_of_number(number))
      zones += (zones.empty() ? "" : "&") + std::string(zone);
    fmt::print("{}\n", zones);
  }
}
