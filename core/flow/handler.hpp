// The life of a call's handler thread: from the first prompt to the report for the record.
#pragma once

#include <memory>
#include <vector>

#include "core/flow/catalog.hpp"
#include "core/media/call_link.hpp"
#include "core/media/server.hpp"
#include "core/metrics/metrics.hpp"
#include "core/speech/recognizer.hpp"

namespace call::flow {

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
};

/// Holds the conversation until the call has ended, then calls `done` once, whatever happened.
/// Blocks.
void run_handler(const std::shared_ptr<const ReadyAgent>& agent,
                 const std::shared_ptr<media::CallLink>& link, HandlerContext& context,
                 const media::CallPlan::Done& done);

}  // namespace call::flow
