#include "core/flow/closing.hpp"

namespace call::flow {

void carried_out(const Closing& closing, media::HandlerReport& report) {
  if (!closing.outcome.empty()) report.outcome = closing.outcome;
  for (const auto& [name, answer] : closing.answers) report.answers[name] = answer;
}

Status carry_out(const Closing& closing, const Connect& connect, const Port& port,
                 media::HandlerReport& report, const log::Logger& log) {
  if (!closing.transfer_to.empty() && connect) {
    port.send(media::StreamEndMeans{closing.reason});
    if (auto done = connect(closing.transfer_to); !done) {
      port.send(media::StreamEndMeans{});
      log.error("the call cannot be transferred: {}", done.error().to_string());
      return done;
    }
  }
  carried_out(closing, report);
  port.send(media::HangUp{closing.reason});
  return {};
}

}  // namespace call::flow
