// The chat client against a server that speaks the real wire, well and badly.
#include <nlohmann/json.hpp>

#include "core/provider/openai_chat.hpp"
#include "world.hpp"

using namespace call;
using namespace call::provider;
using namespace call::provider::test;

namespace {

struct Chat : World {
  Chat() { remake(endpoint(fake.http() + "/v1")); }
  void remake(Endpoint e) {
    chat.reset();
    chat = std::make_unique<OpenAiChat>(*host, shared(std::move(e)), news.sink());
  }
  void ask(speech::RequestId id = 1) {
    speech::ChatRequest request;
    request.id = id;
    request.messages = {{speech::ChatMessage::Role::user, "Hello?", {}, {}}};
    chat->ask(std::move(request));
  }
  std::string text(speech::RequestId id = 1) const {
    std::string all;
    for (const auto& piece : news.all<speech::ReplyText>()) {
      if (piece.request == id) all += piece.text;
    }
    return all;
  }
  std::unique_ptr<OpenAiChat> chat;
};

fakes::ChatAnswer saying(std::vector<std::string> pieces) {
  fakes::ChatAnswer answer;
  answer.pieces = std::move(pieces);
  return answer;
}

}  // namespace

TEST_CASE("provider.chat: the answer comes piece by piece, with its tool calls") {
  Chat chat;
  auto answer = saying({"Let me ", "see."});
  answer.calls = {{"c1", "find", {"{\"a\"", ":1}"}}};
  chat.fake.answer(answer);
  chat.ask();
  const auto done = chat.news.wait<speech::ReplyDone>();
  CHECK(chat.text() == "Let me see.");
  REQUIRE(done.calls.size() == 1);
  CHECK(done.calls[0].arguments == R"({"a":1})");
  const auto requests = chat.fake.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].path() == "/v1/chat/completions");
  CHECK(requests[0].headers.at("authorization") == "Bearer key-1");
  CHECK(nlohmann::json::parse(requests[0].body).at("messages")[0].at("content") == "Hello?");
}

TEST_CASE("provider.chat: the same answer in slices of every size") {
  for (std::size_t slice = 1; slice <= 40; slice += slice < 8 ? 1 : 7) {
    Chat chat;
    chat.fake.server().set_faults({slice, std::nullopt, std::nullopt, 0ms});
    chat.fake.answer(saying({"One", " two", " three."}));
    chat.ask();
    chat.news.wait<speech::ReplyDone>();
    CHECK(chat.text() == "One two three.");
  }
}

TEST_CASE("provider.chat: a kept connection is used again, a closed one replaced") {
  Chat chat;
  for (speech::RequestId id = 1; id <= 10; ++id) {
    chat.fake.answer(saying({"Yes."}));
    chat.ask(id);
    chat.news.wait<speech::ReplyDone>(id);
  }
  // Not 1 for sure: a question that comes before the last bytes of the answer opens a second one.
  CHECK(chat.fake.server().accepted() < 5);
  chat.fake.server().cut_all();
  chat.wait_for([&] { return chat.fake.server().open() == 0; });
  chat.fake.answer(saying({"Still here."}));
  chat.ask(11);
  chat.news.wait<speech::ReplyDone>(11);
  CHECK(chat.text(11) == "Still here.");
}

TEST_CASE(
    "provider.chat: 429 with a short Retry-After is tried again, with a long one told at once") {
  Chat chat;
  chat.fake.refuse(429, 1, "Retry-After: 0.2\r\n");
  chat.fake.answer(saying({"Now."}));
  chat.ask();
  chat.news.wait<speech::ReplyDone>();
  CHECK(chat.text() == "Now.");
  chat.fake.refuse(429, 1, "Retry-After: 60\r\n");
  chat.ask(2);
  const auto failed = chat.news.wait<speech::ReplyFailed>();
  CHECK(failed.request == 2);
  CHECK(failed.error.code == Errc::unavailable);
  CHECK(failed.error.context.find("refused by the test") != std::string::npos);
}

TEST_CASE("provider.chat: a wrong key is told at once and not repeated") {
  Chat chat;
  chat.fake.refuse(401, 5);
  chat.ask();
  CHECK(chat.news.wait<speech::ReplyFailed>().error.code == Errc::permission);
  CHECK(chat.fake.requests().size() == 1);
}

TEST_CASE("provider.chat: an error in the middle ends the answer, what came before stands") {
  Chat chat;
  auto answer = saying({"I was about to"});
  answer.error = "overloaded";
  chat.fake.answer(answer);
  chat.ask();
  CHECK(chat.news.wait<speech::ReplyFailed>().error.context.find("overloaded") !=
        std::string::npos);
  CHECK(chat.text() == "I was about to");
  CHECK(chat.news.all<speech::ReplyDone>().empty());
}

TEST_CASE(
    "provider.chat: a connection cut at any byte is a failure or a whole answer, never half a "
    "one") {
  const std::string whole = "One two.";
  for (std::size_t cut = 1; cut < 900; cut += 47) {
    Chat chat;
    for (int i = 0; i < 2; ++i) chat.fake.answer(saying({"One", " two."}));
    chat.fake.server().set_faults({0, cut, std::nullopt, 0ms});
    chat.ask();
    chat.wait_for([&] {
      return !chat.news.all<speech::ReplyDone>().empty() ||
             !chat.news.all<speech::ReplyFailed>().empty();
    });
    if (!chat.news.all<speech::ReplyDone>().empty()) CHECK(chat.text() == whole);
  }
}

TEST_CASE("provider.chat: a server that says nothing is given up in time") {
  Chat chat;
  auto endpoint = chat.endpoint(chat.fake.http() + "/v1");
  endpoint.answer_timeout = 200ms;
  chat.remake(endpoint);
  chat.fake.server().set_faults({0, std::nullopt, 0, 0ms});  // half-open
  chat.ask();
  CHECK(chat.news.wait<speech::ReplyFailed>().error.code == Errc::timeout);
}

TEST_CASE("provider.chat: a server that falls silent in the middle is given up in time") {
  Chat chat;
  auto endpoint = chat.endpoint(chat.fake.http() + "/v1");
  endpoint.silence_timeout = 200ms;
  chat.remake(endpoint);
  auto answer = saying({"Well"});
  answer.hangs = true;
  chat.fake.answer(answer);
  chat.ask();
  CHECK(chat.news.wait<speech::ReplyFailed>().error.code == Errc::timeout);
  CHECK(chat.text() == "Well");
}

TEST_CASE("provider.chat: a cancelled answer closes its connection and tells nothing more") {
  Chat chat;
  auto answer = saying({"Once upon a time"});
  answer.hangs = true;
  chat.fake.answer(answer);
  chat.ask();
  chat.news.wait<speech::ReplyText>();
  chat.chat->cancel();
  chat.wait_for([&] { return chat.fake.server().open() == 0; });
  CHECK(chat.news.all<speech::ReplyFailed>().empty());
  CHECK(chat.news.all<speech::ReplyDone>().empty());
}

TEST_CASE("provider.chat: after failures in a row the service is left alone") {
  Chat chat;
  chat.fake.refuse(503, 1000);
  for (speech::RequestId id = 1; id <= 5; ++id) {
    chat.ask(id);
    chat.news.wait<speech::ReplyFailed>(id);
  }
  const auto before = chat.fake.requests().size();
  chat.ask(6);
  const auto refused = chat.news.wait<speech::ReplyFailed>(6);
  CHECK(refused.error.context.find("several times in a row") != std::string::npos);
  CHECK(chat.fake.requests().size() == before);
}

TEST_CASE("provider.chat: a server that answers whole instead of streaming is understood") {
  Chat chat;
  fakes::ChatAnswer answer;
  answer.raw = R"({"choices":[{"message":{"content":"All at once."},"finish_reason":"stop"}]})";
  answer.raw_type = "application/json";
  chat.fake.answer(answer);
  chat.ask();
  chat.news.wait<speech::ReplyDone>();
  CHECK(chat.text() == "All at once.");
}
