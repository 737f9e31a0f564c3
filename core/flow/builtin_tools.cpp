#include "core/flow/builtin_tools.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/flow/tool_runner.hpp"
#include "core/json/json.hpp"

namespace call::flow {
namespace {

constexpr std::int64_t kMostDigits = 32;
constexpr std::size_t kMaxArgument = 500;

std::string argument(const Json& arguments, const char* name) {
  const auto value = json::get_string_or(arguments, name, "");
  return value ? to_valid_utf8(truncate_utf8(*value, kMaxArgument)) : std::string();
}

BuiltinResult refusal(std::string_view why) {
  BuiltinResult result;
  result.content = tool_error(why);
  return result;
}

}  // namespace

std::optional<BuiltinResult> run_builtin_tool(const OpenAgent& agent, const speech::ToolCall& call,
                                              bool can_transfer) {
  const bool offered =
      std::ranges::any_of(*agent.tools, [&](const auto& tool) { return tool.name == call.name; });
  if (!offered) return refusal("there is no tool of that name");
  if (agent.http_tools.contains(call.name)) return std::nullopt;
  const auto arguments = json::parse(call.arguments.empty() ? "{}" : call.arguments);
  if (!arguments || !arguments->is_object()) return refusal("the arguments are no JSON object");
  BuiltinResult result;
  result.content = R"({"ok":true})";
  if (call.name == "hang_up") {
    result.closing = Closing{"completed", {}, "completed"};
    if (auto reason = argument(*arguments, "reason"); !reason.empty())
      result.closing->answers["hang_up_reason"] = std::move(reason);
  } else if (call.name == "transfer") {
    const auto to = argument(*arguments, "to");
    const auto target = agent.transfers.find(to);
    if (target == agent.transfers.end()) return refusal("nobody of that name can be reached");
    if (!can_transfer) return refusal("calls cannot be transferred here");
    result.closing =
        Closing{"transferred", target->second, "transferred", {{"transferred_to", to}}};
  } else if (call.name == "collect_dtmf") {
    const auto digits = json::get_int_or(*arguments, "digits", 1).value_or(1);
    result.collect = static_cast<std::size_t>(std::clamp<std::int64_t>(digits, 1, kMostDigits));
  } else {
    result.content = R"({"ok":true,"noted":"in the record of this call; a person plans the call"})";
    result.answers["callback_when"] = argument(*arguments, "when");
    if (auto note = argument(*arguments, "note"); !note.empty())
      result.answers["callback_note"] = std::move(note);
  }
  return result;
}

}  // namespace call::flow
