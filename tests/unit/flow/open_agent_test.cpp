#include "core/flow/open_agent.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"

using namespace call;
using namespace call::flow;

namespace {

const std::string kWhole = R"(
description = "Answers the telephone of a dentist."
prompt = "You are Anna. The caller is {first_name|unknown}."
greeting = "Hello {first_name|there}."
builtin_tools = ["hang_up", "transfer", "collect_dtmf", "schedule_callback"]

[listener]
provider = "deepgram"
key_file = "deepgram.key"
language = "en"
extra = { keyterm = ["crown", "root canal"], smart_format = true }

[model]
provider = "openai"
url = "http://127.0.0.1:8000/v1"
model = "llama"
answer_timeout_ms = 4000
extra = { temperature = 0.3 }

[voice]
provider = "elevenlabs"
key_file = "deepgram.key"
model = "eleven_flash_v2_5"
voice = "abc"

[transfers]
reception = "+14155550100"

[tools.find_slot]
description = "Finds a free appointment."
url = "https://crm.example/slots"
timeout_ms = 3000
stops_on_interruption = true
[tools.find_slot.parameters]
type = "object"
properties = { day = { type = "string" } }
required = ["day"]

[conversation]
end_after_ms = 500

[turns]
first = "callee"
min_words = 2
back_channel = ["mhm"]

[voicemail]
action = "message"
message = "This is {first_name|Anna}. We call again."
)";

Result<OpenAgent> parse(const std::string& text) {
  const auto dir = std::filesystem::temp_directory_path() / ("keys-" + random_hex(6));
  std::filesystem::create_directories(dir);
  const ScopeExit remove([&] { std::filesystem::remove_all(dir); });
  REQUIRE(write_file_atomic(dir / "deepgram.key", "secret\n", 0600));
  return parse_open_agent(text, "dentist", "dentist.toml", dir);
}

std::string with(const std::string& from, const std::string& to) {
  auto text = kWhole;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("flow.open_agent: the whole format is read") {
  const auto agent = parse(kWhole);
  REQUIRE(agent);
  CHECK(agent->listen.provider == "deepgram");
  CHECK(agent->listen.endpoint->url.to_string() == "wss://api.deepgram.com/v1/listen");
  CHECK(agent->listen.endpoint->key.reveal() == "secret");
  CHECK(agent->listen.endpoint->extra.size() == 3);
  CHECK(agent->think.endpoint->answer_timeout == std::chrono::seconds(4));
  CHECK(agent->think.endpoint->extra[0].second == "0.3");
  CHECK(agent->speak.endpoint->voice == "abc");
  CHECK(agent->transfers.at("reception") == "+14155550100");
  REQUIRE(agent->tools->size() == 5);
  CHECK(agent->tools->back().name == "find_slot");
  CHECK(agent->tools->back().parameters.find("\"day\"") != std::string::npos);
  CHECK(agent->http_tools.at("find_slot").stops_on_interruption);
  CHECK(agent->end_after == std::chrono::milliseconds(500));
  CHECK(agent->turns.callee_first);
  CHECK(agent->turns.min_words == 2);
  CHECK(agent->turns.back_channel == std::vector<std::string>{"mhm"});
  CHECK(agent->turns.machine == TurnPolicy::Machine::leave_message);
  CHECK(is_open_agent(kWhole));
  CHECK_FALSE(is_open_agent("start = \"x\"\n[states.x]\nsay = \"hi\"\n"));
}

TEST_CASE("flow.open_agent: each fault names file, line and key") {
  const auto fault = [](const std::string& from, const std::string& to) {
    const auto agent = parse(with(from, to));
    REQUIRE_FALSE(agent);
    CHECK(agent.error().code == Errc::invalid_argument);
    CHECK(agent.error().context.starts_with("dentist.toml:"));
    return agent.error().context;
  };
  CHECK(fault("provider = \"deepgram\"", "provider = \"deepgrm\"")
            .find("listener.provider: must be one of") != std::string::npos);
  CHECK(fault("deepgram.key", "missing.key").find("listener.key_file") != std::string::npos);
  CHECK(fault("http://127.0.0.1:8000/v1", "ws://x/").find("model.url: must begin with http") !=
        std::string::npos);
  CHECK(fault("model = \"llama\"", "model = \"\"").find("model.model") != std::string::npos);
  CHECK(fault("end_after_ms = 500", "end_after_ms = 5").find("between 200 and 3000") !=
        std::string::npos);
  CHECK(
      fault("end_after_ms = 500", "end_after = 500").find("conversation.end_after: unknown key") !=
      std::string::npos);
  CHECK(fault("min_words = 2", "min_word = 2").find("turns.min_word: unknown key") !=
        std::string::npos);
  CHECK(fault("{first_name|Anna}", "{first_name}").find("voicemail.message") != std::string::npos);
  CHECK(fault("\"collect_dtmf\"", "\"collect\"").find("no built-in tool \"collect\"") !=
        std::string::npos);
  CHECK(fault("{first_name|there}", "{first_name}").find("greeting") != std::string::npos);
  CHECK(fault("\"+14155550100\"", "\"4155550100\"").find("transfers.reception") !=
        std::string::npos);
  CHECK(fault("[transfers]\nreception = \"+14155550100\"", "").find("transfer needs [transfers]") !=
        std::string::npos);
  CHECK(fault("voice = \"abc\"", "").find("voice.voice: is not set") != std::string::npos);
  CHECK(fault("prompt = \"You are Anna. The caller is {first_name|unknown}.\"", "")
            .find("prompt: is not set") != std::string::npos);
}

TEST_CASE("flow.open_agent: one engine for all three stands alone") {
  const std::string realtime =
      "prompt = \"Be kind.\"\n[realtime]\nprovider = \"openai\"\nmodel = \"gpt-realtime\"\n";
  const auto agent = parse(realtime);
  REQUIRE(agent);
  CHECK(agent->realtime.endpoint->url.host == "api.openai.com");
  CHECK(is_open_agent(realtime));
  const auto both = parse(realtime + "[voice]\nprovider = \"embedded\"\n");
  REQUIRE_FALSE(both);
  CHECK(both.error().context.find("by itself") != std::string::npos);
}
