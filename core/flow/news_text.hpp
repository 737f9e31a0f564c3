// The news of a call's engines on its tape: bytes that become the same news again, and a line for
// people. A new kind of news needs its text in the .cpp, and the compiler says so. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/speech/engines.hpp"

namespace call::flow {

std::string encode_news(const speech::EngineEvent& news);
/// Errc::protocol: the bytes are none that encode_news() makes.
Result<speech::EngineEvent> decode_news(std::string_view bytes);
std::string describe(const speech::EngineEvent& news);

}  // namespace call::flow
