// The example list and its callers belong together: the quickstart stands on them.
#include <catch2/catch.hpp>
#include <map>

#include "core/base/files.hpp"
#include "core/contacts/contacts.hpp"
#include "core/sim/script.hpp"

using namespace call;
using namespace call::sim;

namespace {

std::vector<contacts::Contact> read_contacts() {
  const auto text = read_file(CALL_EXAMPLES "/contacts.csv");
  REQUIRE(text.ok());
  std::vector<contacts::Contact> rows;
  contacts::Reader reader("US", [&rows](contacts::Contact&& contact) -> Status {
    rows.push_back(std::move(contact));
    return {};
  });
  REQUIRE(reader.feed(text.value()).ok());
  REQUIRE(reader.finish().ok());
  return rows;
}

Script read_script() {
  const auto text = read_file(CALL_EXAMPLES "/callers.toml");
  REQUIRE(text.ok());
  auto script = Script::parse(text.value(), "callers.toml");
  INFO((script.ok() ? "" : script.error().context));
  REQUIRE(script.ok());
  return *script;
}

/// What must become of a call to this callee.
std::string outcome_of(const CallerScript& callee) {
  switch (callee.pickup) {
    case Pickup::answer:
      return "completed";
    case Pickup::voicemail:
      return "machine";
    case Pickup::busy:
      return "busy";
    case Pickup::no_answer:
      return "no_answer";
    case Pickup::failed:
      return "failed";
  }
  return "";
}

}  // namespace

TEST_CASE("sim.examples: every contact expects what its scripted callee does") {
  const auto script = read_script();
  const auto rows = read_contacts();
  REQUIRE(rows.size() >= 24);
  std::map<std::string, int> outcomes;
  for (const auto& contact : rows) {
    INFO("line " << contact.line << " " << contact.phone_raw << " " << contact.refused);
    const auto expected = contact.variables.at("expected");
    ++outcomes[expected];
    if (!contact.refused.empty()) {
      REQUIRE(expected == "refused");
      continue;
    }
    const auto& callee = script.for_number(contact.phone);
    REQUIRE_FALSE(callee.label.empty());  // named in the script, not answered by the defaults
    REQUIRE(expected == outcome_of(callee));
  }
  for (const char* word : {"completed", "busy", "no_answer", "failed", "machine", "refused"})
    REQUIRE(outcomes[word] >= 1);
}

TEST_CASE(
    "sim.examples: there is a callee for every way of taking a call, and no one without a "
    "contact") {
  const auto script = read_script();
  std::size_t called = 0;
  bool interrupts = false;
  bool presses = false;
  bool hangs_up_mid_sentence = false;
  bool silent = false;
  for (const auto& contact : read_contacts()) {
    if (!contact.refused.empty()) continue;
    ++called;
    const auto& callee = script.for_number(contact.phone);
    if (callee.pickup == Pickup::answer && callee.lines.empty()) silent = true;
    for (const auto& line : callee.lines) {
      interrupts |= line.interrupt_after && !line.say.empty();
      presses |= !line.press.empty();
      hangs_up_mid_sentence |= line.cut_after || (line.hang_up && line.interrupt_after);
    }
  }
  REQUIRE(called == script.callers());
  REQUIRE(interrupts);
  REQUIRE(presses);
  REQUIRE(hangs_up_mid_sentence);
  REQUIRE(silent);
}
