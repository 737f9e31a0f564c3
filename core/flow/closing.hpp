// How an open conversation ends the call. One thread, the call's.
#pragma once

#include <map>
#include <string>

#include "core/base/result.hpp"
#include "core/flow/conversation.hpp"
#include "core/log/log.hpp"
#include "core/media/assembly.hpp"

namespace call::flow {

/// How the call is to end when the agent's last word was heard.
struct Closing {
  std::string reason;
  std::string transfer_to{};                     ///< a number; empty: hang up
  std::string outcome{};                         ///< for the record, if it comes to that
  std::map<std::string, std::string> answers{};  ///< for the record as well
};

/// It has come to that.
void carried_out(const Closing& closing, media::HandlerReport& report);
/// Connects the callee, if that is how it ends and `connect` can, and hangs up. An error, which is logged:
/// the callee is still there.
Status carry_out(const Closing& closing, const Connect& connect, const Port& port,
                 media::HandlerReport& report, const log::Logger& log);

}  // namespace call::flow
