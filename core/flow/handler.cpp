#include "core/flow/handler.hpp"

#include <algorithm>
#include <exception>
#include <optional>

#include "core/flow/conversation.hpp"
#include "core/flow/embedded_engines.hpp"
#include "core/flow/sentences.hpp"
#include "core/flow/taped_conversation.hpp"
#include "core/log/log.hpp"
#include "core/media/instruments.hpp"
#include "core/record/stages.hpp"

namespace call::flow {
namespace {

using std::chrono::milliseconds;

/// With all recognisers taken the callee is asked to repeat.
constexpr milliseconds kRecognizerPatience{1000};

/// Borrows a recogniser at the callee's first word and keeps it for the call, because it learns the
/// voice and the line.
class PooledEars final : public Ears {
 public:
  PooledEars(HandlerContext& context, std::shared_ptr<const speech::PhraseModel> model,
             log::Logger log)
      : context_(context), model_(std::move(model)), log_(std::move(log)) {}

  void start() override {
    if (!lease_) {
      auto lease = context_.recognizers.checkout(model_, Deadline::after(kRecognizerPatience));
      if (!lease) {
        log_.warn("no recogniser for the callee's words: {}", lease.error().to_string());
        context_.failures.add();
        return;
      }
      lease_.emplace(std::move(*lease));
    }
    (*lease_)->start();
  }
  void push(audio::PcmView pcm) override {
    if (lease_) (*lease_)->push(pcm);
  }
  speech::Transcript finish() override {
    return lease_ ? (*lease_)->finish() : speech::Transcript();
  }

 private:
  HandlerContext& context_;
  std::shared_ptr<const speech::PhraseModel> model_;
  log::Logger log_;
  std::optional<speech::RecognizerPool::Lease> lease_;
};

std::unique_ptr<Ears> ears_of(const ReadyAgent& agent, HandlerContext& context,
                              const log::Logger& log) {
  if (agent.neural) return std::make_unique<NeuralEars>(agent.neural, log);
  return pooled_ears(context, agent.phrases, log);
}

/// Sentence by sentence: those without the callee's name come out of the cache.
Speak speak_with(const speech::Synthesizer& voice) {
  return [&voice](std::string_view text, const speech::Synthesizer::Sink& sink) -> Status {
    for (const auto& sentence : sentences_of(text)) CALL_CHECK(voice.speak(sentence, sink));
    return {};
  };
}

/// The link's events, and the conversation's own time-outs between them, until the call has ended.
void converse(Conversation& conversation, media::CallLink& link, HandlerTape& tape) {
  conversation.begin();
  while (!conversation.ended()) {
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
    } else {
      return;
    }
  }
}

std::vector<metrics::Histogram*> stage_histograms(metrics::Registry& registry) {
  std::vector<metrics::Histogram*> stages;
  for (const auto& stage : record::kStages) {
    stages.push_back(&registry.histogram(
        "calld_turn_stage_seconds", "Stages of an answer, each from the end of the one before",
        metrics::latency_seconds(), {{"stage", std::string(stage.key)}}));
  }
  return stages;
}

std::array<metrics::Counter*, kHandlerDrops.size()> drop_counters(metrics::Registry& registry) {
  std::array<metrics::Counter*, kHandlerDrops.size()> counters{};
  for (std::size_t i = 0; i < kHandlerDrops.size(); ++i) {
    counters[i] = &registry.counter("calld_media_drops_total", media::kDropsHelp,
                                    {{"reason", std::string(kHandlerDrops[i])}});
  }
  return counters;
}

void observe_stages(const record::Waterfall& waterfall, HandlerContext& context) {
  auto reached = waterfall.speech_end_ms;
  for (std::size_t i = 0; reached && i < record::kStages.size(); ++i) {
    const auto end = waterfall.*record::kStages[i].end;
    if (!end) continue;
    context.stages[i]->observe(static_cast<double>(std::max<std::int64_t>(*end - *reached, 0)) /
                               1000);
    reached = std::max(*reached, *end);
  }
}

}  // namespace

Port port_of(const std::shared_ptr<media::CallLink>& link) {
  return {[link](media::Command command) { link->send(std::move(command)); },
          [link](media::Generation generation) { return link->is_current(generation); },
          [link] { return link->clock_ms(); }};
}

std::unique_ptr<Ears> pooled_ears(HandlerContext& context,
                                  std::shared_ptr<const speech::PhraseModel> model,
                                  log::Logger log) {
  return std::make_unique<PooledEars>(context, std::move(model), std::move(log));
}

void observe(const media::HandlerReport& report, HandlerContext& context) {
  context.false_barge_ins.add(report.false_barge_ins);
  for (std::size_t i = 0; i < kHandlerDrops.size(); ++i) {
    const auto dropped = report.drops.find(std::string(kHandlerDrops[i]));
    if (dropped != report.drops.end()) context.drops[i]->add(dropped->second);
  }
  for (const auto& waterfall : report.waterfalls) {
    if (const auto gap = record::turn_gap_ms(waterfall)) {
      context.turn_gap.observe(static_cast<double>(*gap) / 1000);
    }
    if (waterfall.endpoint_ms && waterfall.final_transcript_ms) {
      const auto span = *waterfall.final_transcript_ms - *waterfall.endpoint_ms;
      context.recognition.observe(static_cast<double>(span) / 1000);
    }
    observe_stages(waterfall, context);
  }
}

HandlerContext::HandlerContext(std::size_t max_recognizers, metrics::Registry& registry)
    : recognizers(max_recognizers),
      turn_gap(registry.histogram("calld_turn_gap_seconds",
                                  "From the callee's last sound to the first sound of the reply",
                                  metrics::latency_seconds())),
      recognition(registry.histogram("calld_recognition_seconds",
                                     "From the end of the callee's turn to its final transcript",
                                     metrics::latency_seconds())),
      stages(stage_histograms(registry)),
      false_barge_ins(registry.counter("calld_false_barge_ins_total",
                                       "Interruptions after which nothing was said")),
      failures(registry.counter("calld_handler_failures_total",
                                "Handlers that failed, and utterances without a recogniser")),
      drops(drop_counters(registry)) {}

void run_handler(const std::shared_ptr<const ReadyAgent>& agent,
                 const std::shared_ptr<media::CallLink>& link, HandlerContext& context,
                 const media::CallPlan::Done& done) {
  const auto log = log::Logger("flow").with("call", link->start().call_sid);
  HandlerTape tape(link->tape_sink());
  tape.begin(agent->toml);
  Conversation conversation(
      Dialogue(agent->agent, agent->matcher, variables_of(link->start().parameters)),
      tape.tap(port_of(link)), tape.tap(ears_of(*agent, context, log)),
      tape.tap(speak_with(agent->voice)), log, agent->agent.turns);
  try {
    converse(conversation, *link, tape);
  } catch (const std::exception& error) {
    context.failures.add();
    log.error("the handler failed, the call is ended: {}", error.what());
    link->send(media::HangUp{"handler_failed"});
  }
  auto report = conversation.report();
  observe(report, context);
  tape.end(report);
  done(std::move(report));
}

}  // namespace call::flow
