// Speech to speech against a server that speaks both dialects of the wire.
#include "core/provider/openai_realtime.hpp"

#include <nlohmann/json.hpp>

#include "core/crypto/base64.hpp"
#include "world.hpp"

using namespace call;
using namespace call::provider;
using namespace call::provider::test;
using Json = nlohmann::json;
using std::chrono::milliseconds;

namespace {

const std::string kVoice = "\x01\x20\x7f\xff\x80 any mu-law";

/// Answers every response.create with audio, text, perhaps a call, and the end.
fakes::Realtime talkative(bool beta, bool calls_tool = false, bool ends = true) {
  fakes::Realtime hooks;
  hooks.on_message = [=](fakes::Connection& connection, const std::string& text) {
    const auto type = Json::parse(text).at("type").get<std::string>();
    const std::string audio = beta ? "response.audio" : "response.output_audio";
    if (type == "session.update") connection.text(R"({"type":"session.updated"})");
    if (type == "input_audio_buffer.commit") {
      connection.text(
          R"({"type":"conversation.item.input_audio_transcription.completed","item_id":"u1","transcript":"hi"})");
    }
    if (type != "response.create") return;
    connection.text(Json{
        {"type", audio + ".delta"}, {"item_id", "i1"}, {"delta", crypto::base64_encode(kVoice)}}
                        .dump());
    connection.text(
        Json{{"type", audio + "_transcript.delta"}, {"item_id", "i1"}, {"delta", "Hello."}}.dump());
    if (calls_tool) {
      connection.text(
          R"({"type":"response.function_call_arguments.done","call_id":"c1","name":"find","arguments":"{}"})");
    }
    if (ends) connection.text(R"({"type":"response.done","response":{"status":"completed"}})");
  };
  return hooks;
}

/// As OpenAI names them: audio and text of an answer, and its end.
void piece(fakes::Connection& connection, const std::string& id, const std::string& bytes,
           const std::string& words) {
  connection.text(Json{{"type", "response.output_audio.delta"},
                       {"response_id", id},
                       {"item_id", "i" + id},
                       {"delta", crypto::base64_encode(bytes)}}
                      .dump());
  connection.text(Json{
      {"type", "response.output_audio_transcript.delta"},
      {"response_id", id},
      {"item_id", "i" + id},
      {"delta",
       words}}.dump());
}
/// `asked`: the question, whose metadata come back with its answer.
void created(fakes::Connection& connection, const std::string& id, const Json& asked = {}) {
  Json response = {{"id", id}};
  if (asked.contains("response")) response["metadata"] = asked.at("response").at("metadata");
  connection.text(Json{{"type", "response.created"}, {"response", response}}.dump());
}
void done(fakes::Connection& connection, const std::string& id, const std::string& status) {
  connection.text(
      Json{{"type", "response.done"}, {"response", {{"id", id}, {"status", status}}}}.dump());
}
void wants(fakes::Connection& connection, const std::string& id, const std::string& call) {
  connection.text(Json{
      {"type", "response.function_call_arguments.done"},
      {"response_id", id},
      {"call_id", call},
      {"name", "book"},
      {"arguments",
       "{}"}}.dump());
}
/// Hooks that confirm the session and do the rest by `act`, with each message and its type.
template <class Act>
fakes::Realtime by(Act act) {
  fakes::Realtime hooks;
  hooks.on_message = [act](fakes::Connection& connection, const std::string& text) mutable {
    const auto message = Json::parse(text);
    const auto type = message.at("type").get<std::string>();
    if (type == "session.update") connection.text(R"({"type":"session.updated"})");
    act(connection, message, type);
  };
  return hooks;
}

struct Call : World {
  explicit Call(fakes::Realtime hooks, bool beta = false, milliseconds patience = 5s) {
    fake.set_realtime(std::move(hooks));
    RealtimeSetup setup;
    setup.instructions = "Be kind.";
    auto e = endpoint(fake.ws() + "/v1/realtime");
    e.answer_timeout = patience;
    engine = std::make_unique<OpenAiRealtime>(
        *host, shared(std::move(e)), beta ? RealtimeDialect::beta : RealtimeDialect::current,
        std::move(setup), news.sink());
  }
  std::vector<Json> sent(const std::string& type) const {
    std::vector<Json> found;
    for (const auto& text : fake.messages()) {
      auto json = Json::parse(text);
      if (json.at("type") == type) found.push_back(std::move(json));
    }
    return found;
  }
  std::unique_ptr<OpenAiRealtime> engine;
};

}  // namespace

TEST_CASE("provider.realtime: mu-law goes through untouched, both ways, in both dialects") {
  const bool beta = GENERATE(false, true);
  CAPTURE(beta);
  Call call(talkative(beta), beta);
  audio::Mulaw every;
  for (int i = 0; i < 256; ++i) every.push_back(static_cast<std::uint8_t>(i));
  call.engine->begin();
  call.engine->push(every);
  call.engine->commit();
  call.engine->respond(1);
  call.news.wait<speech::ReplyDone>();
  const auto audio = call.news.wait<speech::SpokenAudio>();
  CHECK(std::string(audio.mulaw.begin(), audio.mulaw.end()) == kVoice);
  CHECK(call.news.wait<speech::ReplyText>().text == "Hello.");
  CHECK(call.news.wait<speech::FinalText>().text == "hi");
  const auto appended = call.sent("input_audio_buffer.append");
  REQUIRE(appended.size() == 1);
  CHECK(*crypto::base64_decode(appended[0].at("audio").get<std::string>()) ==
        std::string(every.begin(), every.end()));
  const auto session = call.sent("session.update").at(0).at("session");
  CHECK(session.at("instructions") == "Be kind.");
  if (beta) {
    CHECK(session.at("input_audio_format") == "g711_ulaw");
    CHECK(call.fake.requests().at(0).headers.at("openai-beta") == "realtime=v1");
  } else {
    CHECK(session.at("audio").at("output").at("format").at("type") == "audio/pcmu");
    CHECK(session.at("audio").at("input").at("turn_detection").is_null());
  }
  CHECK(call.fake.requests().at(0).target.find("model=model-1") != std::string::npos);
}

TEST_CASE("provider.realtime: the same in slices of one byte") {
  Call call(talkative(false));
  call.fake.server().set_faults({1, std::nullopt, std::nullopt, 0ms});
  call.engine->respond(1);
  call.news.wait<speech::ReplyDone>();
  CHECK(call.news.wait<speech::ReplyText>().text == "Hello.");
}

TEST_CASE("provider.realtime: tools are told with the end of the answer, results go back") {
  Call call(talkative(false, true));
  call.engine->respond(1);
  const auto done = call.news.wait<speech::ReplyDone>();
  REQUIRE(done.calls.size() == 1);
  CHECK(done.calls[0].name == "find");
  call.engine->tool_result("c1", "{}");
  call.wait_for([&] { return !call.sent("conversation.item.create").empty(); });
  CHECK(call.sent("conversation.item.create")[0].at("item").at("call_id") == "c1");
}

TEST_CASE(
    "provider.realtime: an interruption cuts the service's memory, never at 0 nor behind the end") {
  fakes::Realtime hooks = talkative(false, false, false);
  Call call(std::move(hooks));
  call.engine->respond(1);
  call.news.wait<speech::SpokenAudio>();
  call.engine->interrupt(1ms);
  call.wait_for([&] { return !call.sent("conversation.item.truncate").empty(); });
  CHECK(call.sent("conversation.item.truncate")[0].at("audio_end_ms") == 1);
  CHECK(call.sent("conversation.item.truncate")[0].at("item_id") == "i1");
  CHECK(call.sent("response.cancel").size() == 1);
  speech::RequestId request = 2;
  for (const auto heard : {0ms, 100000ms}) {
    call.engine->respond(request);
    call.news.wait<speech::SpokenAudio>(request++);
    call.engine->interrupt(heard);
  }
  call.wait_for([&] { return call.sent("response.cancel").size() == 3; });
  CHECK(call.sent("conversation.item.truncate").size() == 1);
}

TEST_CASE("provider.realtime: a new connection is told what the former one knew") {
  Call call(talkative(false));
  call.engine->begin();
  call.engine->push(audio::Mulaw(800, 0x20));
  call.engine->commit();
  call.engine->respond(1);
  call.news.wait<speech::ReplyDone>();
  call.news.wait<speech::FinalText>();
  call.fake.server().cut_all();
  call.wait_for([&] { return call.fake.server().accepted() == 2; });
  call.engine->respond(2);
  call.news.wait<speech::ReplyDone>(2);
  const auto items = call.sent("conversation.item.create");
  REQUIRE(items.size() == 2);
  CHECK(items[0].at("item").at("content")[0].at("text") == "hi");
  CHECK(items[1].at("item").at("content")[0].at("type") == "output_text");
  CHECK(items[1].at("item").at("content")[0].at("text") == "Hello.");
}

TEST_CASE("provider.realtime: what still comes of a cancelled answer is no part of the next one") {
  // OpenAI says when an answer begins; whether a service does or not, its ids are enough.
  const bool says_created = GENERATE(true, false);
  CAPTURE(says_created);
  Call call(by([=, asks = 0](auto& connection, const Json&, const std::string& type) mutable {
    if (type != "response.create") return;
    if (++asks == 1) {
      if (says_created) created(connection, "r1");
      return piece(connection, "r1", "1111", "First");
    }
    piece(connection, "r1", "late", " and late");
    wants(connection, "r1", "c1");
    done(connection, "r1", "completed");
    if (says_created) created(connection, "r2");
    piece(connection, "r2", "2222", "Second.");
    done(connection, "r2", "completed");
  }));
  call.engine->respond(1);
  call.news.wait<speech::ReplyText>();
  call.engine->interrupt(1ms);
  call.engine->commit();
  call.engine->respond(2);
  const auto end = call.news.wait<speech::ReplyDone>();
  CHECK(end.request == 2);
  CHECK(end.calls.empty());
  const auto audio = call.news.all<speech::SpokenAudio>();
  REQUIRE(audio.size() == 2);
  CHECK(std::string(audio[1].mulaw.begin(), audio[1].mulaw.end()) == "2222");
  CHECK(call.news.wait<speech::ReplyText>(2).text == "Second.");
}

TEST_CASE("provider.realtime: answers cancelled before they began are told from the next one") {
  Call call(by([asks = 0](auto& connection, const Json&, const std::string& type) mutable {
    if (type != "response.create" || ++asks < 2) return;
    for (const std::string id : {"r1", "r2"}) {
      created(connection, id);
      piece(connection, id, "of " + id, id);
      done(connection, id, id == "r1" ? "cancelled" : "completed");
    }
  }));
  call.engine->respond(1);
  call.wait_for([&] { return !call.sent("response.create").empty(); });
  call.engine->interrupt(0ms);
  call.engine->respond(2);
  CHECK(call.news.wait<speech::ReplyDone>().request == 2);
  CHECK(call.news.all<speech::ReplyText>().size() == 1);
  CHECK(call.news.wait<speech::ReplyText>().text == "r2");
}

TEST_CASE("provider.realtime: an answer that begins behind its cancel is cancelled again") {
  Call call(by([asks = 0, first = Json()](auto& connection, const Json& message,
                                          const std::string& type) mutable {
    if (type == "response.cancel" && message.contains("response_id"))
      return done(connection, message.at("response_id").template get<std::string>(), "cancelled");
    if (type != "response.create") return;
    if (++asks == 1) {
      first = message;
    } else if (asks == 2) {
      created(connection, "r1", first);
      connection.text(Json{{"type", "error"},
                           {"error",
                            {{"message", "wait"},
                             {"code", "conversation_already_has_active_response"},
                             {"event_id", message.at("event_id")}}}}
                          .dump());
    } else {
      created(connection, "r2", message);
      piece(connection, "r2", "2222", "Second.");
      done(connection, "r2", "completed");
    }
  }));
  call.engine->respond(1);
  call.wait_for([&] { return !call.sent("response.create").empty(); });
  call.engine->interrupt(0ms);
  call.engine->respond(2);
  CHECK(call.news.wait<speech::ReplyDone>().request == 2);
  CHECK(call.news.wait<speech::ReplyText>().text == "Second.");
}

TEST_CASE("provider.realtime: a question that is refused is told at once, or asked once more") {
  const bool busy = GENERATE(true, false);
  CAPTURE(busy);
  Call call(
      by([=, asks = 0](auto& connection, const Json& message, const std::string& type) mutable {
        if (type != "response.create") return;
        if (++asks == 1) {
          connection.text(Json{
              {"type", "error"},
              {"error",
               {{"message", "not now"},
                {"code", busy ? "conversation_already_has_active_response" : "rate_limit_exceeded"},
                {"event_id", message.at("event_id")}}}}
                              .dump());
          return done(connection, "r0", "cancelled");
        }
        created(connection, "r1");
        piece(connection, "r1", "1111", "Here.");
        done(connection, "r1", "completed");
      }),
      false, 100s);
  call.engine->respond(1);
  if (busy) {
    CHECK(call.news.wait<speech::ReplyDone>().request == 1);
  } else {
    const auto failed = call.news.wait<speech::ReplyFailed>();
    CHECK(failed.request == 1);
    CHECK(failed.error.context.find("not now") != std::string::npos);
  }
}

TEST_CASE("provider.realtime: an answer that the service fails is told with its reason") {
  Call call(by([](auto& connection, const Json&, const std::string& type) {
              if (type != "response.create") return;
              connection.text(R"({"type":"response.done","response":{"id":"r1","status":"failed",)"
                              R"("status_details":{"error":{"message":"no credit left"}}}})");
            }),
            false, 100s);
  call.engine->respond(1);
  const auto failed = call.news.wait<speech::ReplyFailed>();
  CHECK(failed.error.context.find("no credit left") != std::string::npos);
}

TEST_CASE("provider.realtime: a new connection is told of tools and of their results") {
  const bool result_while_down = GENERATE(true, false);
  CAPTURE(result_while_down);
  Call call(by([](auto& connection, const Json&, const std::string& type) {
    if (type != "response.create") return;
    created(connection, "r1");
    wants(connection, "r1", "c1");
    done(connection, "r1", "completed");
  }));
  call.engine->respond(1);
  call.news.wait<speech::ReplyDone>();
  call.fake.server().cut_all();
  call.wait_for([&] { return call.fake.server().open() == 0; });
  if (!result_while_down)
    call.wait_for([&] { return !call.sent("conversation.item.create").empty(); });
  call.engine->tool_result("c1", "booked");
  call.wait_for([&] { return call.sent("conversation.item.create").size() >= 2; });
  const auto items = call.sent("conversation.item.create");
  CHECK(items[0].at("item").at("type") == "function_call");
  CHECK(items[0].at("item").at("name") == "book");
  CHECK(items[0].at("item").at("call_id") == "c1");
  CHECK(items[1].at("item").at("type") == "function_call_output");
  CHECK(items[1].at("item").at("call_id") == "c1");
  CHECK(items[1].at("item").at("output") == "booked");
}

TEST_CASE("provider.realtime: a new connection is told of an answer what was heard of it") {
  const bool complete = GENERATE(true, false);
  const auto heard = GENERATE(0ms, 500ms, 1000ms);
  CAPTURE(complete, heard.count());
  Call call(by([=](auto& connection, const Json&, const std::string& type) {
    if (type != "response.create") return;
    created(connection, "r1");
    piece(connection, "r1", std::string(8000, '\x20'), "One two three four.");
    if (complete) done(connection, "r1", "completed");
  }));
  call.engine->respond(1);
  call.news.wait<speech::ReplyText>();
  if (complete) call.news.wait<speech::ReplyDone>();
  call.engine->interrupt(heard);
  call.engine->tell("[pressed the key 5]");
  call.wait_for([&] { return call.sent("conversation.item.create").size() == 1; });
  call.fake.server().cut_all();
  const std::size_t retold = heard > 0ms ? 2 : 1;
  call.wait_for([&] { return call.sent("conversation.item.create").size() == 1 + retold; });
  const auto items = call.sent("conversation.item.create");
  const auto words = [&](std::size_t i) {
    return items[i].at("item").at("content")[0].at("text").template get<std::string>();
  };
  CHECK(words(retold) == "[pressed the key 5]");
  if (heard > 0ms) CHECK(words(1) == (heard == 500ms ? "One two" : "One two three four."));
}

TEST_CASE("provider.realtime: the callee's words are those of their own turn, in any order") {
  Call call(by([turns = 0](auto& connection, const Json&, const std::string& type) mutable {
    if (type != "input_audio_buffer.commit") return;
    const auto item = "item" + std::to_string(++turns);
    connection.text(Json{{"type", "input_audio_buffer.committed"}, {"item_id", item}}.dump());
    if (turns < 2) return;
    for (const std::string i : {"2", "1"}) {
      connection.text(Json{
          {"type", "conversation.item.input_audio_transcription.completed"},
          {"item_id", "item" + i},
          {"transcript",
           "turn " + i}}.dump());
    }
  }));
  call.engine->respond(1);
  call.wait_for([&] { return !call.sent("response.create").empty(); });  // it is up
  for (int i = 0; i < 2; ++i) {
    call.engine->begin();
    call.engine->push(audio::Mulaw(800, 0x20));
    call.engine->commit();
  }
  call.news.wait<speech::FinalText>(2);
  for (const auto& heard : call.news.all<speech::FinalText>())
    CHECK(heard.text == "turn " + std::to_string(heard.utterance));
}

TEST_CASE("provider.realtime: an answer that breaks off, or never comes, is told") {
  const bool breaks = GENERATE(true, false);
  CAPTURE(breaks);
  fakes::Realtime hooks;
  hooks.on_message = [breaks](fakes::Connection& connection, const std::string& text) {
    if (text.find("session.update") != std::string::npos)
      connection.text(R"({"type":"session.updated"})");
    if (text.find("response.create") == std::string::npos || !breaks) return;
    connection.text(
        Json{{"type", "response.output_audio.delta"}, {"item_id", "i"}, {"delta", "ICAg"}}.dump());
    connection.close_socket(1011, "internal error");
  };
  World world;
  world.fake.set_realtime(hooks);
  auto endpoint = world.endpoint(world.fake.ws() + "/v1/realtime");
  endpoint.answer_timeout = breaks ? 20s : 300ms;
  OpenAiRealtime engine(*world.host, World::shared(endpoint), RealtimeDialect::current, {},
                        world.news.sink());
  engine.respond(1);
  const auto failed = world.news.wait<speech::ReplyFailed>();
  CHECK(failed.error.code == (breaks ? Errc::closed : Errc::timeout));
}

TEST_CASE(
    "provider.realtime: predecessor B11.29 a confirmation that never comes is not waited for") {
  fakes::Realtime hooks;
  hooks.on_message = [](fakes::Connection& connection, const std::string& text) {
    if (text.find("response.create") == std::string::npos) return;
    connection.text(
        Json{{"type", "response.output_audio.delta"}, {"item_id", "i"}, {"delta", "ICAg"}}.dump());
    connection.text(R"({"type":"response.done","response":{"status":"completed"}})");
  };
  Call call(std::move(hooks));
  call.engine->respond(1);
  call.news.wait<speech::ReplyDone>();
}

TEST_CASE("provider.realtime: what cannot be heard is told as text, on a new connection, too") {
  Call call(talkative(false));
  call.engine->tell("[pressed the key 5]");
  call.engine->respond(1);
  call.news.wait<speech::ReplyDone>();
  REQUIRE(call.sent("conversation.item.create").size() == 1);
  CHECK(call.sent("conversation.item.create")[0].at("item").at("content")[0].at("text") ==
        "[pressed the key 5]");
  call.fake.server().cut_all();
  call.wait_for([&] { return call.fake.server().accepted() == 2; });
  call.wait_for([&] { return call.sent("conversation.item.create").size() >= 3; });
  CHECK(call.sent("conversation.item.create")[1].at("item").at("role") == "user");
}

TEST_CASE("provider.realtime: a service that is too busy for a moment is asked again, unheard") {
  World world;
  world.fake.refuse(429, 1);
  world.fake.set_realtime(talkative(false));
  OpenAiRealtime engine(*world.host,
                        World::shared(world.endpoint(world.fake.ws() + "/v1/realtime")),
                        RealtimeDialect::current, {}, world.news.sink());
  engine.respond(1);
  world.news.wait<speech::ReplyDone>();
  CHECK(world.news.all<speech::ReplyFailed>().empty());
}

TEST_CASE("provider.realtime: nonsense is no message, and damaged audio is refused") {
  CHECK(parse_realtime("[1]").error().code == Errc::protocol);
  CHECK(parse_realtime(R"({"type":"response.audio.delta","delta":"***"})").error().code ==
        Errc::protocol);
  CHECK(parse_realtime(R"({"type":"rate_limits.updated"})")->kind == RealtimeMessage::Kind::other);
  CHECK(parse_realtime(R"({"type":"error","error":{"message":"no"}})")->reason == "no");
}
