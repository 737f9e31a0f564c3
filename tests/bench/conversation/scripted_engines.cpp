// Recogniser, language model and voice of the conversation benchmark, in a process of their own. Each
// turn has a name that goes through all three, so that the time which the server under test takes
// between them can be told from outside.
//
//   scripted_engines PORT      serves until standard input ends, then writes its log: one JSON line a
//                              step with "t" in microseconds of the monotonic clock
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/fakes/providers.hpp"

using namespace call::fakes;
using Json = nlohmann::json;

namespace {

struct Step {
  std::string what;
  std::string turn;
  std::int64_t t = 0;
};

std::int64_t now_us() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

/// The newest "turn-1-2" in a text.
std::string turn_in(std::string_view text) {
  const auto at = text.rfind("turn-");
  if (at == std::string_view::npos) return {};
  const auto end = text.find_first_not_of("turn-0123456789", at);
  return std::string(text.substr(at, end == std::string_view::npos ? end : end - at));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Step> steps;  // on the server's thread until it has ended
  {
    Providers engines(static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 0));
    engines.keep_log = false;
    engines.hear_default = [](int connection, int utterance) {
      return "turn-" + std::to_string(connection) + "-" + std::to_string(utterance);
    };
    engines.chat_default = [](const std::string& body) {
      ChatAnswer answer;
      // The first sentence is complete for whoever reads when the second begins.
      answer.pieces = {"The answer to " + turn_in(body) + " is this sentence.",
                       " For " + turn_in(body), " another one comes", " behind it,",
                       " with some words more."};
      return answer;
    };
    // mu-law passes through the server untouched: the turn's name arrives with the first sound.
    engines.stamp = [](std::string& audio, const std::string& text) {
      const auto name = turn_in(text) + " ";
      if (name.size() > 1) audio.replace(0, name.size(), name);
    };
    engines.watch = [&](std::string_view what, std::string_view text) {
      const auto t = now_us();
      auto turn = turn_in(text);
      if (what == "chat_piece") {
        if (text.find("\"content\":\" For ") == std::string_view::npos) return;
        steps.push_back({"chat_sentence", std::move(turn), t});
        return;
      }
      steps.push_back({std::string(what), std::move(turn), t});
    };
    engines.set_timing({milliseconds(100), milliseconds(150), milliseconds(20), milliseconds(80),
                        milliseconds(20)});
    std::printf("%d\n", engines.port());
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
  }
  for (const auto& step : steps) {
    const Json line = {{"what", step.what}, {"turn", step.turn}, {"t", step.t}};
    std::printf("%s\n", line.dump().c_str());
  }
  return 0;
}
