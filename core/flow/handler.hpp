// The life of a call's handler thread: from the first prompt to the report for the record.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "core/flow/catalog.hpp"
#include "core/flow/conversation.hpp"
#include "core/log/log.hpp"
#include "core/media/call_link.hpp"
#include "core/media/server.hpp"
#include "core/metrics/metrics.hpp"
#include "core/speech/recognizer.hpp"

namespace call::flow {

/// What is lost between a call's session and its answers, by reason; the session's own reasons are in
/// core/media/instruments.hpp.
inline constexpr std::array<std::string_view, 3> kHandlerDrops = {
    "engine_news",     ///< more news of the engines than their inbox holds
    "listener_audio",  ///< audio of an utterance longer than the built-in recogniser takes
    "reply_text"};     ///< sentences of a reply that is too long

/// What handlers share; outlives them.
struct HandlerContext {
  HandlerContext(std::size_t max_recognizers, metrics::Registry& registry);

  speech::RecognizerPool recognizers;
  metrics::Histogram&
      turn_gap;  ///< from the callee's last voiced sample to the reply's first heard one
  metrics::Histogram& recognition;          ///< from the endpoint to the final transcript
  std::vector<metrics::Histogram*> stages;  ///< of a waterfall, in its order
  metrics::Counter& false_barge_ins;
  metrics::Counter& failures;
  std::array<metrics::Counter*, kHandlerDrops.size()> drops;
};

/// The call's side of a conversation.
Port port_of(const std::shared_ptr<media::CallLink>& link);
/// A recogniser that is borrowed at the callee's first word and kept for the call.
std::unique_ptr<Ears> pooled_ears(HandlerContext& context,
                                  std::shared_ptr<const speech::PhraseModel> model,
                                  log::Logger log);
/// Enters the latencies of a call's turns into the metrics, and what was dropped.
void observe(const media::HandlerReport& report, HandlerContext& context);

/// Holds the conversation until the call has ended, then calls `done` once, whatever happened.
/// Blocks.
void run_handler(const std::shared_ptr<const ReadyAgent>& agent,
                 const std::shared_ptr<media::CallLink>& link, HandlerContext& context,
                 const media::CallPlan::Done& done);

}  // namespace call::flow
