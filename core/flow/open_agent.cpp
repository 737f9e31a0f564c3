#include "core/flow/open_agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/config/config.hpp"
#include "core/flow/toml_source.hpp"
#include "core/json/json.hpp"

namespace call::flow {
namespace {

constexpr std::size_t kMaxPrompt = 32U << 10;
constexpr std::size_t kMaxTools = 64;

const std::set<std::string> kKeys = {
    "description", "prompt",        "greeting",  "listener",     "model", "voice",    "realtime",
    "tools",       "builtin_tools", "transfers", "conversation", "turns", "voicemail"};
const std::set<std::string> kEngineKeys = {"provider",
                                           "url",
                                           "key_file",
                                           "model",
                                           "voice",
                                           "language",
                                           "phrases",
                                           "connect_timeout_ms",
                                           "answer_timeout_ms",
                                           "silence_timeout_ms",
                                           "extra"};
const std::set<std::string> kConversationKeys = {
    "end_after_ms",   "silence_after_ms", "silence_prompts", "filler_after_ms", "speculative",
    "max_tool_steps", "max_failures",     "max_reply_bytes", "silence_prompt",  "goodbye",
    "filler",         "fallback",         "give_up"};
// clang-format off
const NumberKey<OpenAgent> kNumbers[] = {
    CALL_NUMBER_KEY(OpenAgent, "conversation.end_after_ms", 200, 3000, end_after),
    CALL_NUMBER_KEY(OpenAgent, "conversation.silence_after_ms", 1000, 60000, silence_after),
    CALL_NUMBER_KEY(OpenAgent, "conversation.silence_prompts", 0, 10, silence_prompts),
    CALL_NUMBER_KEY(OpenAgent, "conversation.filler_after_ms", 300, 60000, filler_after),
    CALL_NUMBER_KEY(OpenAgent, "conversation.max_failures", 1, 10, max_failures),
    CALL_NUMBER_KEY(OpenAgent, "conversation.max_tool_steps", 1, 20, max_tool_steps),
    CALL_NUMBER_KEY(OpenAgent, "conversation.max_reply_bytes", 200, 20000, max_reply_bytes),
};
// clang-format on
const std::set<std::string> kToolKeys = {
    "description", "url", "key_file", "timeout_ms", "stops_on_interruption", "parameters"};

struct Service {
  std::string_view name;
  std::string_view url;  ///< where it is when the file does not say
  std::string_view schemes;
};
constexpr std::array<Service, 5> kListeners = {
    {{"deepgram", "wss://api.deepgram.com/v1/listen", "ws"},
     {"openai", "https://api.openai.com/v1", "http"},
     {"vosk", "ws://127.0.0.1:2700", "ws"},
     {"libvosk", "", ""},
     {"embedded", "", ""}}};
constexpr std::array<Service, 1> kModels = {{{"openai", "https://api.openai.com/v1", "http"}}};
constexpr std::array<Service, 3> kVoices = {{{"elevenlabs", "wss://api.elevenlabs.io", "ws"},
                                             {"openai", "https://api.openai.com/v1", "http"},
                                             {"embedded", "", ""}}};
constexpr std::array<Service, 2> kRealtimes = {
    {{"openai", "wss://api.openai.com/v1/realtime", "ws"},
     {"openai-beta", "wss://api.openai.com/v1/realtime", "ws"}}};

class Reader {
 public:
  Reader(const TomlSource& source, const std::optional<std::filesystem::path>& keys_dir)
      : source_(source), keys_dir_(keys_dir) {}

  Result<Secret> key(const std::string& path) const {
    CALL_TRY(const auto file, source_.text(path));
    if (file.empty() || !keys_dir_) return Secret();
    std::filesystem::path where(file);
    if (where.is_relative()) where = *keys_dir_ / where;
    auto secret = config::read_secret({where, path});
    if (!secret) return source_.fault(path, secret.error().context);
    return secret;
  }

  Result<std::chrono::milliseconds> millis(const std::string& path,
                                           std::chrono::milliseconds fallback, std::int64_t least,
                                           std::int64_t most) const {
    CALL_TRY(const auto ms, source_.number(path, fallback.count(), least, most));
    return std::chrono::milliseconds(ms);
  }

  Result<net::Url> url(const std::string& path, std::string_view fallback,
                       std::string_view scheme) const {
    CALL_TRY(auto text, source_.text(path));
    if (text.empty()) text = fallback;
    auto url = net::parse_url(text);
    if (!url) return source_.fault(path, url.error().context);
    if (!url->scheme.starts_with(scheme) || (scheme == "http" && url->scheme.starts_with("ws")))
      return source_.fault(path, fmt::format("must begin with {0}: or {0}s:", scheme));
    return url;
  }

  template <std::size_t N>
  Result<EngineChoice> engine(const std::string& table,
                              const std::array<Service, N>& services) const {
    CALL_CHECK(source_.check_keys(table, kEngineKeys));
    EngineChoice choice;
    CALL_TRY(choice.provider, source_.text(table + ".provider"));
    const auto service = std::ranges::find(services, choice.provider, &Service::name);
    if (service == services.end()) {
      std::vector<std::string> names;
      for (const auto& known : services) names.emplace_back(known.name);
      return source_.fault(table + ".provider", "must be one of " + join(names, ", "));
    }
    CALL_TRY(choice.phrases, source_.strings(table + ".phrases", "phrase templates"));
    provider::Endpoint endpoint;
    CALL_TRY(endpoint.model, source_.text(table + ".model"));
    CALL_TRY(endpoint.voice, source_.text(table + ".voice"));
    CALL_TRY(endpoint.language, source_.text(table + ".language"));
    if (!service->url.empty()) {
      CALL_TRY(endpoint.url, url(table + ".url", service->url, service->schemes));
    }
    CALL_TRY(endpoint.key, key(table + ".key_file"));
    CALL_TRY(endpoint.connect_timeout,
             millis(table + ".connect_timeout_ms", endpoint.connect_timeout, 100, 30000));
    CALL_TRY(endpoint.answer_timeout,
             millis(table + ".answer_timeout_ms", endpoint.answer_timeout, 100, 60000));
    CALL_TRY(endpoint.silence_timeout,
             millis(table + ".silence_timeout_ms", endpoint.silence_timeout, 100, 60000));
    CALL_CHECK(extra(table + ".extra", endpoint));
    choice.endpoint = std::make_shared<const provider::Endpoint>(std::move(endpoint));
    return choice;
  }

 private:
  Status extra(const std::string& path, provider::Endpoint& endpoint) const {
    const Json* table = source_.find(path);
    if (table == nullptr) return {};
    if (!table->is_object()) return source_.fault(path, "must be a table");
    for (const auto& [name, value] : table->items()) {
      // Query parameters that repeat, such as Deepgram's keyterm.
      const bool list = value.is_array() && path == "listener.extra";
      for (const auto& item : list ? value : Json::array({value})) {
        endpoint.extra.emplace_back(name,
                                    item.is_string() ? item.get<std::string>() : json::dump(item));
      }
    }
    return {};
  }

  const TomlSource& source_;
  const std::optional<std::filesystem::path>& keys_dir_;
};

Status read_conversation(const TomlSource& source, OpenAgent& agent) {
  const std::string table = "conversation.";
  CALL_CHECK(source.check_keys("conversation", kConversationKeys));
  CALL_CHECK(read_numbers(
      source.json(), "", conversation_keys(),
      [&](auto path, auto why) { return source.fault(path, why); }, agent));
  CALL_TRY(agent.speculative, source.boolean(table + "speculative", agent.speculative));
  CALL_TRY(agent.silence_prompt, source.prompt(table + "silence_prompt", "Are you still there?"));
  CALL_TRY(agent.goodbye,
           source.prompt(table + "goodbye", "I cannot hear you, so I will hang up. Good bye."));
  CALL_TRY(agent.filler, source.prompt(table + "filler", "One moment, please."));
  CALL_TRY(
      agent.fallback,
      source.prompt(table + "fallback", "I am sorry, I did not get that. Could you say it again?"));
  CALL_TRY(
      agent.give_up,
      source.prompt(table + "give_up",
                    "I am sorry, we have a technical problem. We will call you again. Good bye."));
  return {};
}

std::string schema_of(std::initializer_list<std::pair<const char*, Json>> properties,
                      const std::vector<std::string>& required) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", required}};
  for (const auto& [name, property] : properties) schema["properties"][name] = property;
  return json::dump(schema);
}

Result<speech::ToolSpec> builtin_tool(const std::string& name, const OpenAgent& agent) {
  const auto text = [](const char* what) {
    return Json{{"type", "string"}, {"description", what}};
  };
  if (name == "hang_up") {
    return speech::ToolSpec{
        name, "Ends the call when everything that you said has been heard. Say good-bye first.",
        schema_of({{"reason", text("Why the call ends, in a few words")}}, {})};
  }
  if (name == "transfer") {
    std::vector<std::string> names;
    for (const auto& [target, number] : agent.transfers) names.push_back(target);
    if (names.empty()) return Error{Errc::invalid_argument, "transfer needs [transfers]"};
    return speech::ToolSpec{
        name, "Connects the caller with a person when everything that you said has been heard.",
        schema_of({{"to", {{"type", "string"}, {"enum", names}}}}, {"to"})};
  }
  if (name == "collect_dtmf") {
    return speech::ToolSpec{
        name, "Takes digits that the caller keys in. Ask for them first.",
        schema_of(
            {{"digits", {{"type", "integer"}, {"description", "How many at most; # ends sooner"}}}},
            {"digits"})};
  }
  if (name == "schedule_callback") {
    return speech::ToolSpec{name, "Notes that the caller wants to be called again.",
                            schema_of({{"when", text("Day and time, as the caller said it")},
                                       {"note", text("What about")}},
                                      {"when"})};
  }
  return Error{Errc::invalid_argument,
               fmt::format("no built-in tool \"{}\"; there are hang_up, transfer, collect_dtmf and "
                           "schedule_callback",
                           name)};
}

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Status read_tools(const TomlSource& source, const Reader& reader, OpenAgent& agent) {
  std::vector<speech::ToolSpec> specs;
  if (const Json* transfers = source.find("transfers")) {
    if (!transfers->is_object())
      return source.fault("transfers", "must be a table of names and numbers");
    for (const auto& [name, number] : transfers->items()) {
      if (!number.is_string() || !number.get<std::string>().starts_with('+'))
        return source.fault("transfers." + name, "must be a number like \"+14155550100\"");
      agent.transfers[name] = number.get<std::string>();
    }
  }
  std::vector<std::string> builtins = {"hang_up"};
  if (source.find("builtin_tools") != nullptr) {
    CALL_TRY(builtins, source.strings("builtin_tools", "names"));
  }
  for (const auto& name : builtins) {
    auto spec = builtin_tool(name, agent);
    if (!spec) return source.fault("builtin_tools", spec.error().context);
    specs.push_back(std::move(*spec));
  }
  const Json* tools = source.find("tools");
  if (tools != nullptr && !tools->is_object()) return source.fault("tools", "must be a table");
  if (tools != nullptr && tools->size() > kMaxTools)
    return source.fault("tools", fmt::format("more than {}", kMaxTools));
  const Json none = Json::object();
  for (const auto& item : (tools != nullptr ? *tools : none).items()) {
    const auto path = "tools." + item.key();
    if (!is_tool_name(item.key()))
      return source.fault(path, "a tool's name has letters, digits, _ and - only");
    if (std::ranges::find(builtins, item.key()) != builtins.end())
      return source.fault(path, "is the name of a built-in tool");
    CALL_CHECK(source.check_keys(path, kToolKeys));
    HttpTool tool;
    CALL_TRY(tool.url, reader.url(path + ".url", "", "http"));
    CALL_TRY(tool.key, reader.key(path + ".key_file"));
    CALL_TRY(tool.timeout, reader.millis(path + ".timeout_ms", tool.timeout, 100, 60000));
    CALL_TRY(tool.stops_on_interruption, source.boolean(path + ".stops_on_interruption", false));
    speech::ToolSpec spec{item.key(), "", schema_of({}, {})};
    CALL_TRY(spec.description, source.text(path + ".description", 4000));
    if (const Json* parameters = source.find(path + ".parameters")) {
      if (!parameters->is_object())
        return source.fault(path + ".parameters", "must be a JSON schema");
      spec.parameters = json::dump(*parameters);
    }
    agent.http_tools.emplace(item.key(), std::move(tool));
    specs.push_back(std::move(spec));
  }
  agent.tools = std::make_shared<const std::vector<speech::ToolSpec>>(std::move(specs));
  return {};
}

Status read_engines(const TomlSource& source, const Reader& reader, OpenAgent& agent) {
  if (source.find("realtime") != nullptr) {
    for (const char* other : {"listener", "model", "voice"}) {
      if (source.find(other) != nullptr)
        return source.fault(other, "[realtime] listens, thinks and speaks by itself");
    }
    CALL_TRY(agent.realtime, reader.engine("realtime", kRealtimes));
    return {};
  }
  CALL_TRY(agent.think, reader.engine("model", kModels));
  if (agent.think.endpoint->model.empty()) return source.fault("model.model", "is not set");
  CALL_TRY(agent.listen, reader.engine("listener", kListeners));
  CALL_TRY(agent.speak, reader.engine("voice", kVoices));
  if (agent.listen.provider == "embedded" && agent.listen.phrases.empty())
    return source.fault("listener.phrases",
                        "the embedded recogniser knows only these: there are none");
  if (agent.listen.provider == "libvosk" && agent.listen.endpoint->model.empty())
    return source.fault("listener.model", "is not set: the directory of a model of Vosk's");
  if (agent.speak.provider != "embedded" && agent.speak.endpoint->voice.empty())
    return source.fault("voice.voice", "is not set");
  return {};
}

}  // namespace

std::span<const NumberKey<OpenAgent>> conversation_keys() {
  return kNumbers;
}

bool is_open_agent(std::string_view toml) {
  const auto source = TomlSource::parse(toml, "agent");
  return source && (source->find("model") != nullptr || source->find("realtime") != nullptr);
}

Result<OpenAgent> parse_open_agent(std::string_view toml, std::string_view name,
                                   std::string_view source_name,
                                   const std::optional<std::filesystem::path>& keys_dir) {
  CALL_TRY(const auto source, TomlSource::parse(toml, source_name));
  CALL_CHECK(source.check_keys("", kKeys));
  const Reader reader(source, keys_dir);
  OpenAgent agent;
  agent.name = name;
  CALL_TRY(agent.prompt, source.prompt("prompt", "", kMaxPrompt));
  if (agent.prompt.empty()) return source.fault("prompt", "is not set");
  CALL_TRY(agent.greeting, source.prompt("greeting", ""));
  CALL_TRY(agent.turns, read_turn_policy(source.json(), [&](auto path, auto why) {
             return source.fault(path, why);
           }));
  CALL_CHECK(read_engines(source, reader, agent));
  CALL_CHECK(read_tools(source, reader, agent));
  CALL_CHECK(read_conversation(source, agent));
  return agent;
}

}  // namespace call::flow
