// The routes of the program and those of docs/openapi.yaml are the same. The file is read by its indentation: a path
// stands two columns in, below `paths:`, and its methods four.
#include <catch2/catch.hpp>
#include <set>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "tests/unit/api/service.hpp"

namespace call::api_test {
namespace {

using Routes = std::set<std::string>;

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return out;
}

Routes documented() {
  const auto text = read_file(CALL_SOURCE_DIR "/docs/openapi.yaml", 1U << 20);
  REQUIRE(text);
  Routes out;
  std::string path;
  bool below_paths = false;
  for (const auto line : split(*text, '\n')) {
    const auto indent = line.find_first_not_of(' ');
    const auto word = trim(line).substr(0, trim(line).find(':'));
    if (indent == 0) below_paths = word == "paths";
    if (!below_paths) continue;
    if (indent == 2) path = word;
    const bool method =
        word == "get" || word == "post" || word == "put" || word == "patch" || word == "delete";
    if (indent == 4 && method) out.insert(upper(word) + " " + path);
  }
  return out;
}

TEST_CASE("api.routes: the program and docs/openapi.yaml know the same routes") {
  const Service service;
  const auto routes = service.server->routes();
  const auto in_file = documented();
  REQUIRE(in_file.size() > 20);
  CHECK(Routes(routes.begin(), routes.end()) == in_file);
}

}  // namespace
}  // namespace call::api_test
