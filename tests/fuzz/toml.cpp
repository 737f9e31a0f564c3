// Configuration, agents and callers of the simulator: TOML that people write.
#include <nlohmann/json.hpp>

#include "core/config/config.hpp"
#include "core/config/document.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {

std::vector<std::string> seeds() {
  return {
      "# calld\n[worker]\nqueues = [\"dial\", 'records']\nconcurrency = 8\ngrace = \"20s\"\n"
      "[worker.functions]\n\"a.b\" = \"exec:/bin/true\"\n",
      "[agent]\nname = \"שלום\"\nsay = \"\"\"\nHello,\n  {name}\\u00e9\"\"\"\nx = 1_000\n"
      "y = -1.5e3\nz = 0x1F\nt = 2026-01-02T03:04:05.6Z\nd = 2026-01-02\nb = true\ni = inf\n"
      "[[agent.turn]]\nwhen = { any = [\"yes\", \"no\"], none = [] }\n[[agent.turn]]\n"};
}

void feed(std::string_view input) {
  static_cast<void>(config::read_document(input, "input"));
  static_cast<void>(config::parse_toml_to_json(input, "input"));
}

}  // namespace call::fuzz
