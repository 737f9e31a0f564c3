// Configuration, agents and callers of the simulator: TOML that people write.
#include <nlohmann/json.hpp>

#include "core/base/files.hpp"
#include "core/config/config.hpp"
#include "core/config/document.hpp"
#include "core/config/schema.hpp"
#include "core/config/value.hpp"
#include "core/flow/agent.hpp"
#include "core/flow/open_agent.hpp"
#include "core/sim/script.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

std::string read(const std::string& path) {
  return read_file(CALL_SOURCE_DIR "/" + path, 1U << 16).value();
}

}  // namespace

std::vector<std::string> seeds() {
  return {
      "# calld\n[worker]\nqueues = [\"dial\", 'records']\nconcurrency = 8\ngrace = \"20s\"\n"
      "[worker.functions]\n\"a.b\" = \"exec:/bin/true\"\n",
      "[agent]\nname = \"שלום\"\nsay = \"\"\"\nHello,\n  {name}\\u00e9\"\"\"\nx = 1_000\n"
      "y = -1.5e3\nz = 0x1F\nt = 2026-01-02T03:04:05.6Z\nd = 2026-01-02\nb = true\ni = inf\n"
      "[[agent.turn]]\nwhen = { any = [\"yes\", \"no\"], none = [] }\n[[agent.turn]]\n",
      "prompt = \"You are {name}.\"\ngreeting = \"Hi\"\n[listener]\nprovider = \"embedded\"\n"
      "phrases = [\"yes\"]\n[model]\nprovider = \"openai\"\nurl = \"https://x/v1\"\nmodel = \"m\"\n"
      "extra = { temperature = 0.3 }\n[voice]\nprovider = \"embedded\"\n[transfers]\nshop = "
      "\"+14155550100\"\n[tools.find]\ndescription = \"d\"\nurl = \"https://y/\"\ntimeout_ms = "
      "4000\n"
      "[tools.find.parameters]\ntype = \"object\"\n[conversation]\nmax_failures = 3\n",
      read("core/flow/agents/survey.toml"), read("packaging/examples/callers.toml")};
}

void feed(std::string_view input) {
  if (const auto entries = config::read_document(input, "input")) {
    config::Config config;
    for (const auto& entry : *entries)
      if (const auto* key = config::find_key(entry.key))
        static_cast<void>(config::assign(*key, entry.value, config));
  }
  static_cast<void>(config::parse_toml_to_json(input, "input"));
  static_cast<void>(flow::parse_agent(input, "fuzz", "input"));
  static_cast<void>(flow::is_open_agent(input));
  static_cast<void>(flow::parse_open_agent(input, "fuzz", "input", std::nullopt));
  static_cast<void>(sim::Script::parse(input, "input"));
}

}  // namespace call::fuzz
