// The neural listener and its place in an agent's file, on a library with Vosk's functions that is ours
// (tests/support/fakes/libvosk.cpp). What real Vosk does with it is in docs/agents.md.
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/flow/catalog.hpp"
#include "core/flow/embedded_engines.hpp"

using namespace call;
using namespace call::flow;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

struct Dir {
  Dir() { fs::create_directories(path / "model"); }
  ~Dir() { fs::remove_all(path); }
  void says(const std::string& lines) const {
    REQUIRE(write_file_atomic(path / "model" / "says.txt", lines));
  }
  fs::path path = fs::temp_directory_path() / ("vosk-" + random_hex(6));
};

struct Listening {
  explicit Listening(const Dir& dir) {
    auto model = speech::VoskModel::load({CALL_FAKE_LIBVOSK, dir.path / "model"});
    if (!model) FAIL(model.error().to_string());
    listener.emplace(std::move(*model),
                     [this](speech::EngineEvent event) { news.push_back(std::move(event)); });
  }
  void hear(int ms) {
    for (int i = 0; i < ms; i += 20) listener->push(audio::Pcm(160, 4000));
  }
  speech::FinalText flush(std::uint32_t number) {
    listener->flush(number);
    REQUIRE(std::holds_alternative<speech::FinalText>(news.back()));
    return std::get<speech::FinalText>(news.back());
  }
  std::vector<speech::EngineEvent> news;
  std::optional<NeuralListener> listener;
};

std::string why_not(const std::string& library, const fs::path& model) {
  const auto loaded = speech::VoskModel::load({library, model});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == Errc::not_found);
  return loaded.error().context;
}

}  // namespace

TEST_CASE("flow.neural: utterances, pauses in them, and the words' places") {
  const Dir dir;
  dir.says("the first\nmy number is\nfive\n");
  Listening ears(dir);
  ears.listener->begin(1);
  ears.hear(1000);
  CHECK(std::get<speech::PartialText>(ears.news.back()).text == "the");
  CHECK(ears.flush(1).text == "the first");
  ears.listener->begin(2);
  ears.hear(600);
  CHECK(ears.flush(2).text == "my number is");
  CHECK(ears.flush(3).text == "my number is");  // nothing new was said
  ears.hear(500);
  CHECK(std::get<speech::PartialText>(ears.news.back()).text == "my number is five");
  const auto whole = ears.flush(4);
  CHECK(whole.utterance == 2);
  CHECK(whole.flush == 4);
  CHECK(whole.text == "my number is five");
  CHECK(whole.confidence == 0.75);
  REQUIRE(whole.words.size() == 4);
  CHECK(whole.words[0].start == milliseconds(0));
  CHECK(whole.words[1].start == milliseconds(200));
  CHECK(whole.words[3].text == "five");
  CHECK(whole.words[3].start == milliseconds(600));
  CHECK(whole.words[3].end == milliseconds(1100));
}

TEST_CASE("flow.neural: an end that Vosk finds by itself is no end of ours") {
  const Dir dir;
  dir.says("a long story\nand its end\n");
  Listening ears(dir);
  ears.listener->begin(1);
  ears.hear(2500);
  const auto whole = ears.flush(1);
  CHECK(whole.text == "a long story and its end");
  CHECK(whole.words.back().end == milliseconds(2500));
}

TEST_CASE("flow.neural: what was given up is forgotten, a failure is of its utterance") {
  const Dir dir;
  dir.says("one\ntwo\n");
  Listening ears(dir);
  ears.listener->begin(1);
  ears.hear(500);
  ears.listener->begin(2);
  ears.hear(500);
  const auto second = ears.flush(1);
  CHECK(second.words.at(0).start == milliseconds(0));
  CHECK(second.words.at(0).end == milliseconds(500));
  ears.listener->begin(3);
  ears.listener->push(audio::Pcm(160, -32768));
  ears.listener->flush(2);
  REQUIRE(std::holds_alternative<speech::ListeningFailed>(ears.news.back()));
  CHECK(std::get<speech::ListeningFailed>(ears.news.back()).utterance == 3);
  ears.listener->begin(4);
  ears.hear(500);
  CHECK(ears.flush(3).text == "two");
}

TEST_CASE("flow.neural: what is missing is named, with what to do") {
  const Dir dir;
  const auto none = why_not("/nowhere/libvosk.so", dir.path / "model");
  CHECK(none.find("/nowhere/libvosk.so") != std::string::npos);
  CHECK(none.find("extra.library") != std::string::npos);
  CHECK(why_not("libm.so.6", dir.path / "model").find("no library of Vosk's") != std::string::npos);
  CHECK(why_not(CALL_FAKE_LIBVOSK, dir.path / "none").find("no model in") != std::string::npos);
  CHECK(why_not(CALL_FAKE_LIBVOSK, dir.path / "model").find("no model in") != std::string::npos);
}

TEST_CASE("flow.neural: a script can be listened to by it as well") {
  const Dir dir;
  dir.says("yes please\nno\n");
  fs::create_directories(dir.path / "agents");
  const auto write = [&](const std::string& listener) {
    REQUIRE(write_file_atomic(dir.path / "agents" / "poll.toml",
                              std::string(builtin_survey()) + "\n[listener]\n" + listener));
    CatalogOptions options;
    options.agents_dir = dir.path / "agents";
    return Catalog::load(options);
  };
  const auto catalog = write("provider = \"libvosk\"\nmodel = \"" + (dir.path / "model").string() +
                             "\"\nextra = { library = \"" + CALL_FAKE_LIBVOSK + "\" }\n");
  if (!catalog) FAIL(catalog.error().to_string());
  const auto agent = catalog->find("poll");
  REQUIRE(agent->neural);
  CHECK_FALSE(agent->phrases);
  CHECK_FALSE(catalog->find("survey")->neural);
  NeuralEars ears(agent->neural, log::Logger("flow"));
  for (const char* words : {"yes please", "no"}) {
    ears.start();
    for (int i = 0; i < 50; ++i) ears.push(audio::Pcm(160, 4000));
    const auto heard = ears.finish();
    CHECK(heard.text == words);
    CHECK(heard.accepted);
    CHECK(heard.words.back().end == milliseconds(1000));
  }
  ears.start();
  ears.push(audio::Pcm(160, -32768));
  CHECK_FALSE(ears.finish().accepted);

  const auto fault = write("provider = \"deepgram\"\n");
  REQUIRE_FALSE(fault);
  CHECK(fault.error().context.find("listener.provider") != std::string::npos);
}

TEST_CASE("flow.neural: a model that is not for telephones is found out when it is loaded") {
  const Dir dir;
  dir.says("16000\n");
  const auto loaded = speech::VoskModel::load({CALL_FAKE_LIBVOSK, dir.path / "model"});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == Errc::invalid_argument);
  CHECK(loaded.error().context.find("--allow-upsample=true") != std::string::npos);
}

TEST_CASE("flow.neural: an agent names library and model; agents that name none load none") {
  const Dir dir;
  dir.says("hello\n");
  const auto agent = [&](const std::string& listener) {
    fs::create_directories(dir.path / "agents");
    REQUIRE(write_file_atomic(dir.path / "agents" / "anna.toml",
                              "prompt = \"Be kind.\"\n[model]\nprovider = \"openai\"\nmodel = "
                              "\"m\"\n[voice]\nprovider = \"embedded\"\n[listener]\n" +
                                  listener));
    CatalogOptions options;
    options.agents_dir = dir.path / "agents";
    return Catalog::load(options);
  };
  const auto model = "model = \"" + (dir.path / "model").string() + "\"\n";
  const auto extra = "extra = { library = \"" + std::string(CALL_FAKE_LIBVOSK) + "\" }\n";
  const auto catalog = agent("provider = \"libvosk\"\n" + model + extra);
  if (!catalog) FAIL(catalog.error().to_string());
  CHECK(catalog->find_open("anna")->neural);

  const auto missing =
      agent("provider = \"libvosk\"\nextra = { library = \"/nowhere.so\" }\n" + model);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().context.find("anna.toml: [listener]: cannot load Vosk's library") !=
        std::string::npos);
  const auto nameless = agent("provider = \"libvosk\"\n");
  REQUIRE_FALSE(nameless);
  CHECK(nameless.error().context.find("listener.model: is not set") != std::string::npos);
  const auto other = agent("provider = \"vosk\"\n");
  REQUIRE(other);
  CHECK_FALSE(other->find_open("anna")->neural);
}
