// An agent for an open conversation, read from a TOML file: a prompt, and the engines that listen,
// think and speak. The whole format is described in docs/agents.md. Pure, but for the key files.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/flow/turn_policy.hpp"
#include "core/provider/endpoint.hpp"
#include "core/speech/engines.hpp"

namespace call::flow {

/// A tool of the operator's, called by HTTP.
struct HttpTool {
  net::Url url;
  Secret key;
  std::chrono::milliseconds timeout{5000};
  bool stops_on_interruption = false;  ///< the callee's next words make the result worthless
};

struct EngineChoice {
  std::string provider;  ///< as in the file; "embedded" uses the network for nothing
  std::shared_ptr<const provider::Endpoint> endpoint;  ///< null for "embedded"
  std::vector<std::string> phrases;                    ///< of the embedded recogniser
};

struct OpenAgent {
  using Millis = std::chrono::milliseconds;

  std::string name;
  std::string prompt;    ///< with variables, see render.hpp
  std::string greeting;  ///< empty: the model greets
  TurnPolicy turns;      ///< [turns] and [voicemail], as of a script

  EngineChoice listen;
  EngineChoice think;
  EngineChoice speak;
  EngineChoice realtime;  ///< set: one engine for all three

  std::map<std::string, HttpTool> http_tools;
  std::map<std::string, std::string> transfers;                ///< name -> number
  std::shared_ptr<const std::vector<speech::ToolSpec>> tools;  ///< all that the model may call

  Millis end_after{600};       ///< silence that ends the callee's turn
  Millis silence_after{8000};  ///< the callee says nothing: a prompt
  int silence_prompts = 2;     ///< then good-bye
  Millis filler_after{2500};   ///< nothing to say yet: the filler
  bool speculative = true;     ///< the model starts at a pause, before the turn is over
  int max_tool_steps = 4;      ///< rounds of tools between two turns of the callee
  int max_failures = 2;        ///< engine failures in a row, then it gives up
  /// Of one reply; what is beyond is not said.
  std::int64_t max_reply_bytes = 1500;

  std::string silence_prompt;
  std::string goodbye;  ///< behind the last silence prompt
  std::string filler;
  std::string fallback;  ///< the model or the recogniser failed
  std::string give_up;   ///< it failed again and again; the call ends
};

/// The numbers of an agent's [conversation].
std::span<const NumberKey<OpenAgent>> conversation_keys();

/// True when the file is of this kind: it has [model] or [realtime].
bool is_open_agent(std::string_view toml);

/// Errc::invalid_argument: "file:line: key: what is wrong". Relative key files are looked for in
/// `keys_dir`; without one the agent has no keys and can be replayed only. Blocks (reads the files).
Result<OpenAgent> parse_open_agent(std::string_view toml, std::string_view name,
                                   std::string_view source,
                                   const std::optional<std::filesystem::path>& keys_dir);

}  // namespace call::flow
