#include "core/provider/chat_wire.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace call;
using namespace call::provider;
using Role = speech::ChatMessage::Role;

namespace {

speech::ChatRequest request() {
  speech::ChatRequest request;
  request.messages = {{Role::system, "Be brief.", {}, {}},
                      {Role::user, "Where is my order?", {}, {}},
                      {Role::assistant, "", {{"c1", "find_order", R"({"id":7})"}}, {}},
                      {Role::tool, R"({"state":"sent"})", {}, "c1"}};
  request.tools =
      std::make_shared<const std::vector<speech::ToolSpec>>(std::vector<speech::ToolSpec>{
          {"find_order", "Finds an order",
           R"({"type":"object","properties":{"id":{"type":"integer"}}})"}});
  return request;
}

std::string chunk(const std::string& delta, const std::string& finish = "null") {
  return R"({"choices":[{"delta":)" + delta + R"(,"finish_reason":)" + finish + "}]}";
}

}  // namespace

TEST_CASE("provider.chat_wire: the request is what the protocol asks for") {
  Endpoint endpoint;
  endpoint.model = "m";
  endpoint.extra = {
      {"temperature", "0.3"}, {"user", "calld"}, {"reasoning", R"({"effort":"low"})"}};
  const auto body = nlohmann::json::parse(chat_body(endpoint, request()));
  CHECK(body.at("model") == "m");
  CHECK(body.at("stream") == true);
  CHECK(body.at("temperature") == 0.3);
  CHECK(body.at("user") == "calld");
  CHECK(body.at("reasoning").at("effort") == "low");
  REQUIRE(body.at("messages").size() == 4);
  CHECK(body.at("messages")[2].at("content").is_null());
  CHECK(body.at("messages")[2].at("tool_calls")[0].at("function").at("arguments") == R"({"id":7})");
  CHECK(body.at("messages")[3].at("tool_call_id") == "c1");
  CHECK(body.at("tools")[0].at("function").at("parameters").at("type") == "object");
  CHECK_FALSE(body.contains("tool_choice"));
  auto muted = request();
  muted.tools_allowed = false;
  CHECK(nlohmann::json::parse(chat_body(endpoint, muted)).at("tool_choice") == "none");
}

TEST_CASE("provider.chat_wire: text and interleaved tool calls come together from fragments") {
  ChatReader reader;
  CHECK(*reader.feed(chunk(R"({"role":"assistant","content":""})")) == "");
  CHECK(*reader.feed(chunk(R"({"content":"Let me"})")) == "Let me");
  CHECK(*reader.feed(chunk(R"({"content":" see."})")) == " see.");
  REQUIRE(reader.feed(chunk(
      R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"second","arguments":""}}]})")));
  REQUIRE(reader.feed(chunk(
      R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"first","arguments":"{\"x\""}}]})")));
  REQUIRE(reader.feed(chunk(R"({"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})")));
  REQUIRE(reader.feed(chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]})")));
  CHECK_FALSE(reader.finished());
  REQUIRE(reader.feed(chunk("{}", R"("tool_calls")")));
  CHECK(reader.finished());
  REQUIRE(reader.feed(R"({"choices":[],"usage":{"total_tokens":9}})"));
  REQUIRE(reader.feed("[DONE]"));
  const auto calls = reader.calls();
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].name == "first");
  CHECK(calls[0].arguments == R"({"x":1})");
  CHECK(calls[1].id == "b");
}

TEST_CASE("provider.chat_wire: errors in the stream, limits and nonsense are told apart") {
  ChatReader reader;
  const auto error = reader.feed(R"({"error":{"message":"overloaded","type":"server_error"}})");
  REQUIRE_FALSE(error);
  CHECK(error.error().code == Errc::unavailable);
  CHECK(error.error().context.find("overloaded") != std::string::npos);
  CHECK(ChatReader().feed("nonsense").error().code == Errc::protocol);
  CHECK(
      ChatReader().feed(chunk(R"({"content":")" + std::string(70000, 'x') + "\"}")).error().code ==
      Errc::limit);
  CHECK(*ChatReader().feed(chunk(R"({"content":7,"tool_calls":"x"})")) == "");
  ChatReader cut;
  REQUIRE(cut.feed(chunk(R"({"content":"half"})", R"("length")")));
  CHECK(cut.cut_short());
}

TEST_CASE("provider.chat_wire: an answer that was not streamed is read as well") {
  ChatReader reader;
  const auto text = reader.feed(
      R"({"choices":[{"message":{"role":"assistant","content":"Hello.","tool_calls":[{"id":"a",)"
      R"("type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})");
  CHECK(*text == "Hello.");
  CHECK(reader.finished());
  CHECK(reader.calls().size() == 1);
}
