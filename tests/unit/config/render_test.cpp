#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"
#include "core/config/schema.hpp"

namespace call::config {
namespace {

std::optional<std::string> nothing(const std::string&) {
  return std::nullopt;
}

Result<Loaded> load_text(std::string_view text) {
  const Path file = std::filesystem::temp_directory_path() / ("cfg-" + random_hex(6) + ".toml");
  const ScopeExit remove([&] { std::filesystem::remove(file); });
  REQUIRE(write_file_atomic(file, text, 0600).ok());
  return load({file, {}, nothing});
}

TEST_CASE("config.schema: every key is unique, explained, and its section too") {
  std::set<std::string> names;
  for (const Key& key : schema()) {
    CAPTURE(key.full_name());
    CHECK(names.insert(key.full_name()).second);
    CHECK(key.help.ends_with('.'));
    CHECK_FALSE(section_help(key.section).empty());
    CHECK_FALSE(describe_allowed(key).empty());
    CHECK(key.full_name() == std::string(key.section) + "." + std::string(key.name));
  }
  CHECK(find_key("media.max_calls")->environment_variable() == "CALLD_MEDIA_MAX_CALLS");
}

TEST_CASE("config.render: what is shown can be loaded again and says the same") {
  const auto first = load_text("[media]\nmax_call_duration = \"90s\"\n[worker]\nname = 'a\"b\\'\n");
  REQUIRE(first.ok());
  const std::string shown = render_toml(first->config, true);
  const auto second = load_text(shown);
  REQUIRE(second.ok());
  CHECK(second->config.worker.name == "a\"b\\");
  CHECK(second->config.media.max_call_duration == Millis(90000));
  CHECK(render_toml(second->config, true) == shown);
}

TEST_CASE("config.render: passwords are not shown") {
  const auto loaded = load_text("[redis]\nurl = \"redis://:hunter2@h:1/0\"\n");
  REQUIRE(loaded.ok());
  CHECK(render_toml(loaded->config, true).find("hunter2") == std::string::npos);
  CHECK(render_toml(loaded->config, false).find("hunter2") != std::string::npos);
}

TEST_CASE("config.render: manual and help name every key") {
  const std::string manual = render_mdoc();
  const std::string help = render_help();
  for (const Key& key : schema()) {
    CAPTURE(key.full_name());
    CHECK(manual.find(".It Ic " + std::string(key.name) + " Pq") != std::string::npos);
    CHECK(help.find("  " + std::string(key.name) + " (") != std::string::npos);
  }
}

}  // namespace
}  // namespace call::config
