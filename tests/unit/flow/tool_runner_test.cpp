// An agent's own tools against a server on the real wire: whatever happens there, the model is told,
// once.
#include "core/flow/tool_runner.hpp"

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/runtime/loop.hpp"
#include "open_call.hpp"
#include "tests/support/fakes/providers.hpp"

using namespace call;
using namespace call::flow;
using namespace call::flow::test;
using Json = nlohmann::json;
using std::chrono::milliseconds;

namespace {

struct Tools {
  Tools() : tls(*net::TlsClient::make({})) {
    HttpTool tool;
    tool.url = *net::parse_url(fake.http() + "/tools/book");
    tool.key = Secret("crm-key");
    tool.timeout = milliseconds(20000);
    tools["book"] = tool;
    tool.timeout = milliseconds(200);
    tools["hasty"] = tool;
    tool.url = *net::parse_url("http://127.0.0.1:1/tools/book");
    tools["unreachable"] = tool;
  }
  ~Tools() {
    runner.reset();
    loop.stop();
    loop.join();
  }

  void answers(fakes::ChatAnswer answer) {
    fake.set_tool([answer](const fakes::Request&) { return answer; });
  }
  speech::ToolResult run(const std::string& name, const std::string& arguments = "{}") {
    runner->run(7, {"c1", name, arguments});
    return result();
  }
  /// The only one.
  speech::ToolResult result() {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return !results.empty(); }));
    REQUIRE(results.size() == 1);
    auto result = results.front();
    results.clear();
    CHECK(result.request == 7);
    CHECK(result.call_id == "c1");
    return result;
  }
  template <class Done>
  void wait_for(Done done) {
    for (int i = 0; i < 2000; ++i) {
      if (done()) return;
      std::unique_lock lock(mutex);
      never.wait_for(lock, milliseconds(10));
    }
    FAIL("it never came to that");
  }

  fakes::Providers fake;
  std::shared_ptr<net::TlsClient> tls;
  runtime::Loop loop{"net"};
  net::HttpStreams http{loop, tls};
  std::map<std::string, HttpTool> tools;
  std::mutex mutex;
  std::condition_variable changed;
  std::condition_variable never;
  std::vector<speech::ToolResult> results;
  std::unique_ptr<HttpToolRunner> runner =
      std::make_unique<HttpToolRunner>(tools, http, "CA1", [this](speech::EngineEvent event) {
        std::lock_guard lock(mutex);
        results.push_back(std::get<speech::ToolResult>(event));
        changed.notify_all();
      });
};

fakes::ChatAnswer answer_of(int status, std::string body) {
  fakes::ChatAnswer answer;
  answer.status = status;
  answer.raw = std::move(body);
  return answer;
}

std::string error_in(const speech::ToolResult& result) {
  CHECK_FALSE(result.ok);
  return Json::parse(result.content).at("error").get<std::string>();
}

}  // namespace

TEST_CASE("flow.tools: a tool is told who calls and what for, with a key to tell repetitions by") {
  Tools world;
  world.answers(answer_of(200, R"({"slot":"monday"})"));
  const auto result = world.run("book", R"({"day":"monday"})");
  CHECK(result.ok);
  CHECK(result.content == R"({"slot":"monday"})");
  const auto requests = world.fake.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].method == "POST");
  CHECK(requests[0].path() == "/tools/book");
  CHECK(requests[0].headers.at("idempotency-key") == "CA1-7-c1");
  CHECK(requests[0].headers.at("authorization") == "Bearer crm-key");
  const auto body = Json::parse(requests[0].body);
  CHECK(body.at("call_sid") == "CA1");
  CHECK(body.at("tool") == "book");
  CHECK(body.at("arguments").at("day") == "monday");
}

TEST_CASE("flow.tools: a tool that fails is told as an error, and is not called again") {
  Tools world;
  SECTION("a status that is no success") {
    world.answers(answer_of(GENERATE(302, 404, 429, 500), "no slot left"));
    CHECK(error_in(world.run("book")).find("no slot left") != std::string::npos);
  }
  SECTION("silence") {
    fakes::ChatAnswer answer;
    answer.hangs = true;
    world.answers(answer);
    CHECK(error_in(world.run("hasty")) == "the tool did not answer in time");
  }
  SECTION("silence in the middle of the answer") {
    world.fake.server().set_faults({0, std::nullopt, std::nullopt, milliseconds(0), true});
    world.answers(answer_of(200, R"({"slot":"monday"})"));
    CHECK(error_in(world.run("hasty")) == "the tool did not answer in time");
  }
  SECTION("a connection that is lost") {
    world.fake.server().set_faults({0, 40, std::nullopt, milliseconds(0)});
    world.answers(answer_of(200, R"({"slot":"monday"})"));
    CHECK(error_in(world.run("book")) == "the tool cannot be reached");
  }
  CHECK(world.fake.requests().size() == 1);
}

TEST_CASE("flow.tools: what cannot be asked is not asked") {
  Tools world;
  world.answers(answer_of(200, "{}"));
  for (const char* arguments : {"{\"day\":", "[1]", "\"monday\"", "nonsense"})
    CHECK(error_in(world.run("book", arguments)) == "the arguments are no JSON object");
  CHECK(error_in(world.run("cook")) == "there is no tool of that name");
  CHECK(world.fake.requests().empty());
  CHECK(error_in(world.run("unreachable")) == "the tool cannot be reached");
  CHECK(world.run("book", "").ok);  // a model may leave out arguments that it does not need
}

TEST_CASE("flow.tools: of an answer that is too long the model gets the beginning") {
  Tools world;
  const auto extra = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{100000});
  CAPTURE(extra);
  world.answers(answer_of(200, std::string(HttpToolRunner::kMaxAnswer + extra, 'x')));
  const auto result = world.run("book");
  CHECK(result.ok);
  CHECK(result.content == std::string(HttpToolRunner::kMaxAnswer, 'x'));
}

TEST_CASE("flow.tools: a tool that is cancelled, or whose call ends, is hung up on at once") {
  const bool ends = GENERATE(true, false);
  CAPTURE(ends);
  Tools world;
  fakes::ChatAnswer answer;
  answer.hangs = true;
  world.answers(answer);
  world.runner->run(7, {"c1", "book", "{}"});
  world.wait_for([&] { return world.fake.requests().size() == 1; });
  if (ends) {
    world.runner.reset();
  } else {
    world.runner->cancel("c1");
  }
  world.wait_for([&] { return world.fake.server().open() == 0; });
  std::lock_guard lock(world.mutex);
  CHECK(world.results.empty());
}

TEST_CASE("flow.tools: predecessor B11.27 a booking that failed is told to the model as failed") {
  Tools world;
  world.answers(answer_of(409, "monday is taken"));
  const auto failed = world.run("book");
  OpenCall call;
  call.listen(2000);
  call.say("book me in");
  call.script.reply("Let me see.", {{"c1", "book", R"({"day":"monday"})"}});
  call.run(200);
  REQUIRE(call.script.tool_calls.size() == 1);
  call.script.news.push_back(failed);
  call.run(100);
  REQUIRE(call.script.requests.size() == 2);
  const auto& told = call.request().messages.back();
  CHECK(told.role == speech::ChatMessage::Role::tool);
  CHECK(told.call_id == "c1");
  CHECK(Json::parse(told.text).at("error").get<std::string>() ==
        "the tool answered 409: monday is taken");
}
