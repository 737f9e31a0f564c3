// The agents of a media server, read once at start and ready to talk: phrase model built, voice
// made, constant prompts spoken in advance. Immutable afterwards, so any thread may read it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/flow/agent.hpp"
#include "core/flow/open_agent.hpp"
#include "core/speech/intent.hpp"
#include "core/speech/recognizer.hpp"
#include "core/speech/synthesizer.hpp"
#include "core/speech/vosk.hpp"

namespace call::flow {

/// The built-in agent that sends the callee's audio back; it has no dialogue and no entry in a
/// catalog.
inline constexpr std::string_view kEcho = "echo";

/// An agent with everything that it needs to talk.
struct ReadyAgent {
  std::string toml;  ///< what it was read from
  Agent agent;
  speech::IntentMatcher matcher;
  std::shared_ptr<const speech::PhraseModel> phrases;  ///< who listens: this ...
  std::shared_ptr<const speech::VoskModel> neural;     ///< ... or this, the other one is null
  speech::Synthesizer voice;
};

/// An agent for an open conversation, and what stands in for its engines.
struct ReadyOpenAgent {
  std::string toml;  ///< what it was read from
  OpenAgent agent;
  std::shared_ptr<const speech::PhraseModel> phrases;  ///< of the embedded recogniser; may be null
  std::shared_ptr<const speech::VoskModel> neural;     ///< of "libvosk"; may be null
  speech::Synthesizer spare_voice;
};

struct CatalogOptions {
  std::filesystem::path agents_dir;  ///< *.toml, named by the file; empty: only the built-in agents
  std::string voice = "slt";         ///< of agents that name none
  speech::PhraseModelOptions model;
};

class Catalog {
 public:
  /// Errc::invalid_argument: a faulty agent, with file and line. An agent of a built-in one's name
  /// replaces it; "echo" cannot be replaced. Some 100 ms an agent; blocks.
  static Result<Catalog> load(const CatalogOptions& options);

  /// Null when there is none of that name.
  std::shared_ptr<const ReadyAgent> find(std::string_view name) const;
  std::shared_ptr<const ReadyOpenAgent> find_open(std::string_view name) const;
  std::vector<std::string> names() const;  ///< "echo" included

 private:
  std::map<std::string, std::shared_ptr<const ReadyAgent>, std::less<>> agents_;
  std::map<std::string, std::shared_ptr<const ReadyOpenAgent>, std::less<>> open_agents_;
};

/// The text of the built-in agent "survey": a template to start from.
std::string_view builtin_survey();

}  // namespace call::flow
