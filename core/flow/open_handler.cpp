#include "core/flow/open_handler.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/flow/embedded_engines.hpp"
#include "core/flow/open_conversation.hpp"
#include "core/flow/realtime_conversation.hpp"
#include "core/flow/taped_conversation.hpp"
#include "core/log/log.hpp"
#include "core/provider/deepgram.hpp"
#include "core/provider/elevenlabs.hpp"
#include "core/provider/openai_chat.hpp"
#include "core/provider/openai_realtime.hpp"
#include "core/provider/openai_speech.hpp"
#include "core/provider/vosk_server.hpp"

namespace call::flow {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<speech::Listener> make_listener(const ReadyOpenAgent& agent,
                                                HandlerContext& context, provider::Host& host,
                                                const speech::EngineSink& sink,
                                                const log::Logger& log) {
  const auto& choice = agent.agent.listen;
  if (choice.provider == "deepgram")
    return std::make_unique<provider::DeepgramListener>(host, choice.endpoint, sink);
  if (choice.provider == "openai")
    return std::make_unique<provider::OpenAiListener>(host, choice.endpoint, sink);
  if (choice.provider == "vosk")
    return std::make_unique<provider::VoskListener>(host, choice.endpoint, sink);
  if (choice.provider == "libvosk") return std::make_unique<NeuralListener>(agent.neural, sink);
  return std::make_unique<EmbeddedListener>(pooled_ears(context, agent.phrases, log), sink);
}

std::unique_ptr<speech::Speaker> make_voice(const ReadyOpenAgent& agent, provider::Host& host,
                                            const speech::EngineSink& sink) {
  const auto& choice = agent.agent.speak;
  if (choice.provider == "elevenlabs")
    return std::make_unique<provider::ElevenLabsVoice>(host, choice.endpoint, sink);
  if (choice.provider == "openai")
    return std::make_unique<provider::OpenAiVoice>(host, choice.endpoint, sink);
  return std::make_unique<EmbeddedVoice>(agent.spare_voice, sink);
}

Connect bound(const Transfer& transfer, const std::string& call_sid) {
  if (!transfer) return nullptr;
  return [transfer, call_sid](const std::string& number) { return transfer(call_sid, number); };
}

Engines make_engines(const ReadyOpenAgent& agent, const media::StartInfo& start,
                     HandlerContext& context, provider::Host& host, const speech::EngineSink& sink,
                     const log::Logger& log) {
  Engines engines;
  engines.listener = make_listener(agent, context, host, sink, log);
  engines.model = std::make_unique<provider::OpenAiChat>(host, agent.agent.think.endpoint, sink);
  engines.voice = make_voice(agent, host, sink);
  engines.spare_voice = std::make_unique<EmbeddedVoice>(agent.spare_voice, sink);
  engines.tools =
      std::make_unique<HttpToolRunner>(agent.agent.http_tools, host.http(), start.call_sid, sink);
  return engines;
}

RealtimeEngines make_realtime(const ReadyOpenAgent& agent, const Variables& variables,
                              const media::StartInfo& start, provider::Host& host,
                              const speech::EngineSink& sink) {
  const auto& choice = agent.agent.realtime;
  const auto dialect = choice.provider == "openai-beta" ? provider::RealtimeDialect::beta
                                                        : provider::RealtimeDialect::current;
  provider::RealtimeSetup setup;
  setup.instructions = render(agent.agent.prompt, variables, Reader::anyone);
  setup.tools = agent.agent.tools;
  RealtimeEngines engines;
  engines.engine = std::make_unique<provider::OpenAiRealtime>(host, choice.endpoint, dialect,
                                                              std::move(setup), sink);
  engines.spare_voice = std::make_unique<EmbeddedVoice>(agent.spare_voice, sink);
  engines.tools =
      std::make_unique<HttpToolRunner>(agent.agent.http_tools, host.http(), start.call_sid, sink);
  return engines;
}

/// The link's events, the engines' news and the conversation's own time-outs, until the call's end.
template <class Conversation>
void converse(Conversation& conversation, media::CallLink& link, EngineInbox& inbox,
              HandlerTape& tape) {
  conversation.begin();
  while (!conversation.ended()) {
    for (auto& news : inbox.take()) {
      tape.news(news);
      conversation.on_news(std::move(news));
    }
    auto deadline = Deadline::never();
    if (const auto due = conversation.next_due_ms()) {
      deadline = Deadline::after(milliseconds(std::max<std::int64_t>(*due - link.clock_ms(), 0)));
    }
    const auto event = link.next(deadline);
    if (event) {
      tape.event(*event);
      conversation.on_event(*event);
    } else if (event.error().code == Errc::timeout) {
      tape.due();
      conversation.on_due();
    } else if (event.error().code != Errc::cancelled) {
      return;
    }
  }
}

}  // namespace

void EngineInbox::push(speech::EngineEvent news) {
  const bool taken = news_.with([&](auto& all) {
    if (all.size() >= kMaxNews) return false;
    all.push_back(std::move(news));
    return true;
  });
  if (!taken) ++dropped_;
  if (const auto link = link_.lock()) link->wake();
}

std::vector<speech::EngineEvent> EngineInbox::take() {
  return news_.with([](auto& all) { return std::exchange(all, {}); });
}

void run_open_handler(const std::shared_ptr<const ReadyOpenAgent>& agent,
                      const std::shared_ptr<media::CallLink>& link, HandlerContext& context,
                      provider::Host& host, const Transfer& transfer,
                      const media::CallPlan::Done& done) {
  const auto& start = link->start();
  const auto log = log::Logger("flow").with("call", start.call_sid);
  const auto inbox = std::make_shared<EngineInbox>(link);
  const speech::EngineSink sink = [inbox](speech::EngineEvent news) {
    inbox->push(std::move(news));
  };
  const auto variables = variables_of(start.parameters);
  HandlerTape tape(link->tape_sink());
  tape.begin(agent->toml);
  const auto connect = tape.tap(bound(transfer, start.call_sid));
  const auto hold = [&](auto conversation) {
    try {
      converse(*conversation, *link, *inbox, tape);
    } catch (const std::exception& error) {
      context.failures.add();
      log.error("the handler failed, the call is ended: {}", error.what());
      link->send(media::HangUp{"handler_failed"});
    }
    auto report = conversation->report();
    if (const auto dropped = inbox->dropped(); dropped > 0) {
      log.warn("{} news of the engines were dropped", dropped);
      report.drops["engine_news"] = dropped;
    }
    observe(report, context);
    tape.end(report);
    done(std::move(report));
  };
  const auto talk = [&](auto engines, auto make) {
    engines.transfer = connect;
    if (tape.running()) engines = noted(std::move(engines), tape.note());
    hold(make(std::move(engines), tape.tap(port_of(link))));
  };
  if (agent->agent.realtime.endpoint) {
    talk(make_realtime(*agent, variables, start, host, sink), [&](auto engines, auto port) {
      return std::make_unique<RealtimeConversation>(agent->agent, variables, std::move(port),
                                                    std::move(engines), log);
    });
  } else {
    talk(make_engines(*agent, start, context, host, sink, log), [&](auto engines, auto port) {
      return std::make_unique<OpenConversation>(agent->agent, variables, std::move(port),
                                                std::move(engines), log);
    });
  }
}

}  // namespace call::flow
