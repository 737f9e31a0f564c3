#include "core/flow/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/base/files.hpp"
#include "core/flow/embedded.hpp"
#include "core/flow/sentences.hpp"

namespace call::flow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxAgentBytes = 256U << 10;
constexpr std::size_t kMaxAgents = 200;
constexpr std::size_t kPromptCacheBytes = 32U << 20;

struct Shared {
  const CatalogOptions& options;
  std::shared_ptr<speech::PromptCache> cache;
  /// By library and directory: agents that name the same share it.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const speech::VoskModel>> neural;
};

Result<std::shared_ptr<const speech::VoskModel>> neural_model(const speech::VoskOptions& options,
                                                              Shared& shared) {
  auto& model = shared.neural[{options.library, options.model_dir.string()}];
  if (!model) {
    CALL_TRY(model, speech::VoskModel::load(options).with_context("[listener]"));
  }
  return model;
}

/// Speaks what does not depend on the callee, so that it is in the cache when the first call comes.
void warm_up(const ReadyAgent& ready) {
  for (const auto& [name, state] : ready.agent.states) {
    for (const auto& text : {state.say, state.no_match, state.silence}) {
      for (const auto& sentence : sentences_of(text)) {
        if (sentence.find('{') != std::string::npos) continue;
        // A prompt that cannot be spoken is an error when it is needed, and logged there.
        static_cast<void>(ready.voice.render(sentence));
      }
    }
  }
}

Result<std::shared_ptr<const ReadyAgent>> make_ready(std::string_view toml, Agent agent,
                                                     Shared& shared) {
  const auto name = agent.voice.empty() ? shared.options.voice : agent.voice;
  const auto voice = speech::voice_from(name);
  if (!voice) return Error{Errc::invalid_argument, fmt::format("no voice \"{}\"", name)};
  CALL_TRY(auto matcher, speech::IntentMatcher::create(agent.phrases));
  std::shared_ptr<const speech::PhraseModel> phrases;
  std::shared_ptr<const speech::VoskModel> neural;
  if (agent.neural) {
    CALL_TRY(neural, neural_model(*agent.neural, shared));
  } else {
    CALL_TRY(phrases, speech::PhraseModel::build(agent.phrases, shared.options.model));
  }
  speech::VoiceStyle style;
  style.voice = *voice;
  auto ready = std::make_shared<const ReadyAgent>(
      ReadyAgent{std::string(toml), std::move(agent), std::move(matcher), std::move(phrases),
                 std::move(neural), speech::Synthesizer(style, shared.cache)});
  warm_up(*ready);
  return ready;
}

Result<std::shared_ptr<const ReadyAgent>> load_agent(std::string_view toml, std::string_view name,
                                                     const std::string& source, Shared& shared) {
  CALL_TRY(auto agent, parse_agent(toml, name, source));
  return make_ready(toml, std::move(agent), shared).with_context(source);
}

Result<std::shared_ptr<const ReadyOpenAgent>> load_open_agent(std::string_view toml,
                                                              const fs::path& file,
                                                              Shared& shared) {
  CALL_TRY(auto agent,
           parse_open_agent(toml, file.stem().string(), file.string(), file.parent_path()));
  const auto& choice = agent.speak;
  const bool embedded = choice.provider == "embedded" && !choice.endpoint->voice.empty();
  const auto name = embedded ? choice.endpoint->voice : shared.options.voice;
  const auto voice = speech::voice_from(name);
  if (!voice) {
    return Error{Errc::invalid_argument, fmt::format("{}: no voice \"{}\"", file.string(), name)};
  }
  std::shared_ptr<const speech::PhraseModel> phrases;
  if (agent.listen.provider == "embedded") {
    speech::PhraseBook book;
    book.intents.push_back({"anything", agent.listen.phrases});
    CALL_TRY(phrases,
             speech::PhraseModel::build(book, shared.options.model).with_context(file.string()));
  }
  std::shared_ptr<const speech::VoskModel> neural;
  if (agent.listen.provider == "libvosk") {
    speech::VoskOptions options;
    options.model_dir = agent.listen.endpoint->model;
    for (const auto& [key, value] : agent.listen.endpoint->extra) {
      if (key == "library") options.library = value;
    }
    CALL_TRY(neural, neural_model(options, shared).with_context(file.string()));
  }
  speech::VoiceStyle style;
  style.voice = *voice;
  auto ready = std::make_shared<const ReadyOpenAgent>(
      ReadyOpenAgent{std::string(toml), std::move(agent), std::move(phrases), std::move(neural),
                     speech::Synthesizer(style, shared.cache)});
  // What the agent says when its engines fail should not have to be computed then.
  for (const auto& text : {ready->agent.fallback, ready->agent.give_up, ready->agent.filler}) {
    for (const auto& sentence : sentences_of(text))
      static_cast<void>(ready->spare_voice.render(sentence));
  }
  return ready;
}

Result<std::vector<fs::path>> agent_files(const fs::path& dir) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& item : fs::directory_iterator(dir, error)) {
    if (item.path().extension() == ".toml") files.push_back(item.path());
  }
  if (error) {
    return Error{Errc::not_found, fmt::format("cannot read the agents' directory {}: {}",
                                              dir.string(), error.message())};
  }
  if (files.size() > kMaxAgents) {
    return Error{Errc::limit,
                 fmt::format("{} holds more than {} agents", dir.string(), kMaxAgents)};
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::string_view builtin_survey() {
  return embedded_survey();
}

Result<Catalog> Catalog::load(const CatalogOptions& options) {
  assert_may_block("Catalog::load");
  Shared shared{options, std::make_shared<speech::PromptCache>(kPromptCacheBytes), {}};
  Catalog catalog;
  CALL_TRY(catalog.agents_["survey"],
           load_agent(embedded_survey(), "survey", "survey.toml (built in)", shared));
  if (options.agents_dir.empty()) return catalog;
  CALL_TRY(const auto files, agent_files(options.agents_dir));
  for (const auto& file : files) {
    const auto name = file.stem().string();
    if (name == kEcho)
      return Error{Errc::invalid_argument,
                   fmt::format("{}: the name \"echo\" is taken", file.string())};
    CALL_TRY(const auto text, read_file(file, kMaxAgentBytes));
    if (is_open_agent(text)) {
      CALL_TRY(catalog.open_agents_[name], load_open_agent(text, file, shared));
      catalog.agents_.erase(name);
    } else {
      CALL_TRY(catalog.agents_[name], load_agent(text, name, file.string(), shared));
    }
  }
  return catalog;
}

std::shared_ptr<const ReadyAgent> Catalog::find(std::string_view name) const {
  const auto at = agents_.find(name);
  return at == agents_.end() ? nullptr : at->second;
}

std::shared_ptr<const ReadyOpenAgent> Catalog::find_open(std::string_view name) const {
  const auto at = open_agents_.find(name);
  return at == open_agents_.end() ? nullptr : at->second;
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> names{std::string(kEcho)};
  for (const auto& [name, agent] : agents_) names.push_back(name);
  for (const auto& [name, agent] : open_agents_) names.push_back(name);
  return names;
}

}  // namespace call::flow
