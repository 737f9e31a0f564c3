#include "core/record/folder.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"

using namespace call;
using namespace call::record;
namespace fs = std::filesystem;

TEST_CASE("record.folder: a reader of the spool sees the whole folder or none") {
  const fs::path spool = fs::temp_directory_path() / ("record-" + random_hex(6));
  const ScopeExit remove([&] { fs::remove_all(spool); });
  fs::create_directories(spool / "CA1.part");
  CallRecord record;
  record.call_sid = "CA1";
  REQUIRE(write_texts(spool / "CA1.part", record));
  CHECK_FALSE(fs::exists(spool / "CA1"));

  REQUIRE(publish(spool, "CA1"));
  CHECK_FALSE(fs::exists(spool / "CA1.part"));
  CHECK(fs::exists(spool / "CA1" / kTranscriptFile));
  const auto read = read_folder(spool / "CA1");
  REQUIRE(read);
  CHECK(read->call_sid == "CA1");
}

TEST_CASE("record.folder: an existing record is never replaced") {
  const fs::path spool = fs::temp_directory_path() / ("record-" + random_hex(6));
  const ScopeExit remove([&] { fs::remove_all(spool); });
  fs::create_directories(spool / "CA1.part");
  fs::create_directories(spool / "CA1");
  const auto published = publish(spool, "CA1");
  REQUIRE_FALSE(published);
  CHECK(published.error().code == Errc::conflict);
}

TEST_CASE("record.folder: a call id cannot leave the spool") {
  CHECK(is_safe_call_sid("CA0123456789abcdef"));
  for (const char* bad : {"", "..", "a/b", "a.part", "CA 1", "\xd7\x90"}) {
    CHECK_FALSE(is_safe_call_sid(bad));
  }
  CHECK_FALSE(is_safe_call_sid(std::string(65, 'a')));
  CHECK(publish("/nonexistent", "../x").error().code == Errc::invalid_argument);
}

TEST_CASE("record.folder: a damaged record.json is an error that names the file") {
  const auto read = read_folder("/nonexistent/CA1");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::not_found);
}
