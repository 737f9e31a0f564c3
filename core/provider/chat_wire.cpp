#include "core/provider/chat_wire.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace call::provider {
namespace {

std::string_view role_of(speech::ChatMessage::Role role) {
  switch (role) {
    case speech::ChatMessage::Role::system:
      return "system";
    case speech::ChatMessage::Role::user:
      return "user";
    case speech::ChatMessage::Role::assistant:
      return "assistant";
    case speech::ChatMessage::Role::tool:
      return "tool";
  }
  return "user";
}

Json message_of(const speech::ChatMessage& message) {
  Json json = {{"role", role_of(message.role)}, {"content", message.text}};
  if (!message.call_id.empty()) json["tool_call_id"] = message.call_id;
  if (message.calls.empty()) return json;
  if (message.text.empty()) json["content"] = nullptr;
  for (const auto& call : message.calls) {
    json["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return json;
}

Json tool_of(const speech::ToolSpec& tool) {
  auto parameters = json::parse(tool.parameters);
  return {{"type", "function"},
          {"function",
           {{"name", tool.name},
            {"description", tool.description},
            {"parameters", parameters ? std::move(*parameters) : Json::object()}}}};
}

Json value_of(const std::string& text) {
  auto parsed = json::parse(text);
  return parsed && !parsed->is_string() ? std::move(*parsed) : Json(text);
}

const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const Json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

std::string chat_body(const Endpoint& endpoint, const speech::ChatRequest& request) {
  Json body = {{"model", endpoint.model}, {"stream", true}};
  for (const auto& [name, value] : endpoint.extra) body[name] = value_of(value);
  auto& messages = body["messages"] = Json::array();
  for (const auto& message : request.messages) messages.push_back(message_of(message));
  if (request.tools && !request.tools->empty()) {
    for (const auto& tool : *request.tools) body["tools"].push_back(tool_of(tool));
    if (!request.tools_allowed) body["tool_choice"] = "none";
  }
  return json::dump(body);
}

Status ChatReader::add_call(const Json& fragment, std::size_t position) {
  const Json* number = member(fragment, "index");
  // Servers that do not stream leave the index out.
  const auto index = number != nullptr && number->is_number_integer()
                         ? number->get<std::int64_t>()
                         : static_cast<std::int64_t>(position);
  if (!calls_.contains(index) && calls_.size() >= kMaxCalls)
    return Error{Errc::limit, "the model calls too many tools at once"};
  auto& call = calls_[index];
  if (auto id = text_of(member(fragment, "id")); !id.empty()) call.id = std::move(id);
  const Json* function = member(fragment, "function");
  if (function == nullptr) return {};
  if (auto name = text_of(member(*function, "name")); !name.empty()) call.name = std::move(name);
  call.arguments += text_of(member(*function, "arguments"));
  if (call.arguments.size() > kMaxArguments)
    return Error{Errc::limit, "the arguments of a tool are too long"};
  return {};
}

Result<std::string> ChatReader::feed(std::string_view data) {
  if (data == "[DONE]") {
    finished_ = true;
    return std::string();
  }
  auto parsed = json::parse(data, {}, "the model's answer");
  if (!parsed) return Error{Errc::protocol, parsed.error().context};
  if (const Json* error = member(*parsed, "error")) {
    const auto words = error->is_object() ? text_of(member(*error, "message")) : text_of(error);
    return Error{Errc::unavailable, "the model broke off: " +
                                        (words.empty() ? std::string("no reason given") : words)};
  }
  const Json* choices = member(*parsed, "choices");
  // The last chunk of some servers counts tokens and has no choice.
  if (choices == nullptr || !choices->is_array() || choices->empty()) return std::string();
  const Json& choice = choices->front();
  const Json* delta = member(choice, "delta");
  if (delta == nullptr) delta = member(choice, "message");
  std::string text;
  if (delta != nullptr) {
    text = text_of(member(*delta, "content"));
    if (text.empty()) text = text_of(member(*delta, "refusal"));
    const Json* fragments = member(*delta, "tool_calls");
    for (std::size_t i = 0; fragments != nullptr && i < fragments->size() && fragments->is_array();
         ++i)
      CALL_CHECK(add_call((*fragments)[i], i));
  }
  if (const auto reason = text_of(member(choice, "finish_reason")); !reason.empty()) {
    finished_ = true;
    cut_short_ = reason == "length" || reason == "content_filter";
  }
  text_bytes_ += text.size();
  if (text_bytes_ > kMaxText) return Error{Errc::limit, "the model's answer does not end"};
  return text;
}

std::vector<speech::ToolCall> ChatReader::calls() const {
  std::vector<speech::ToolCall> calls;
  for (const auto& [index, call] : calls_) {
    if (call.name.empty()) continue;
    calls.push_back(call);
    if (calls.back().id.empty()) calls.back().id = fmt::format("call_{}", index);
    if (calls.back().arguments.empty()) calls.back().arguments = "{}";
  }
  return calls;
}

}  // namespace call::provider
