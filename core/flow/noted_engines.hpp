// Engines that are watched: a line is noted for each request that the conversation makes of them,
// before it is passed on. The tape of a call writes the lines down; a replay, whose engines are no
// more than these, compares them.
#pragma once

#include <functional>
#include <string>

#include "core/flow/open_conversation.hpp"
#include "core/flow/realtime_conversation.hpp"

namespace call::flow {

/// On the handler's thread, as every request is.
using Note = std::function<void(std::string)>;

/// Engines that are null answer nothing, and are asked all the same.
Engines noted(Engines engines, const Note& note);
RealtimeEngines noted(RealtimeEngines engines, const Note& note);

}  // namespace call::flow
