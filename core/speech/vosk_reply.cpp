#include "core/speech/vosk_reply.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"

namespace call::speech {

Result<VoskReply> parse_vosk(std::string_view message) {
  CALL_TRY(const auto json, json::parse(message, {}, "Vosk's reply"));
  if (!json.is_object()) return Error{Errc::protocol, "Vosk's reply is no object"};
  VoskReply reply;
  reply.is_final = json.contains("text");
  reply.text = json::get_string_or(json, reply.is_final ? "text" : "partial", "").value_or("");
  const Json* words = json::find(json, "result");
  for (std::size_t i = 0; words != nullptr && words->is_array() && i < words->size(); ++i) {
    const double confidence = json::get_number_or((*words)[i], "conf", 1).value_or(1);
    reply.confidence = std::min(reply.confidence, confidence);
  }
  reply.words = timed_words(words, "word");
  return reply;
}

}  // namespace call::speech
