// The tools that every agent can be given without a server of the operator's. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/flow/closing.hpp"
#include "core/flow/open_agent.hpp"
#include "core/speech/engines.hpp"

namespace call::flow {

struct BuiltinResult {
  std::string content;  ///< for the model
  std::optional<Closing> closing;
  std::map<std::string, std::string> answers;  ///< for the record
  std::optional<std::size_t> collect;          ///< so many digits; the content is not known yet
};

inline constexpr std::string_view kCollectingAlready = "digits are being collected already";

/// nullopt: a tool of the operator's. What is no tool of the agent, or called wrongly, has an error
/// as its content.
std::optional<BuiltinResult> run_builtin_tool(const OpenAgent& agent, const speech::ToolCall& call,
                                              bool can_transfer);

}  // namespace call::flow
