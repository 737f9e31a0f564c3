// A question to the simulator's loop from a thread that may block. Internal to this module.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "core/runtime/loop.hpp"

namespace call::sim {

/// Runs `question` on the loop and waits; nullopt when the loop does not answer (it was stopped).
template <class F>
auto ask(runtime::Loop& loop, F question) -> std::optional<decltype(question())> {
  constexpr std::chrono::seconds kPatience{10};
  auto promise = std::make_shared<std::promise<decltype(question())>>();
  auto reply = promise->get_future();
  loop.post([promise = std::move(promise), question = std::move(question)]() mutable {
    promise->set_value(question());
  });
  if (reply.wait_for(kPatience) != std::future_status::ready) return std::nullopt;
  return reply.get();
}

}  // namespace call::sim
