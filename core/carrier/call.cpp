#include "core/carrier/call.hpp"

#include <algorithm>
#include <array>

namespace call::carrier {
namespace {

template <class E>
struct Word {
  E value;
  std::string_view text;
};

constexpr std::array<Word<CallStatus>, 9> kStatusWords{{
    {CallStatus::queued, "queued"},
    {CallStatus::initiated, "initiated"},
    {CallStatus::ringing, "ringing"},
    {CallStatus::in_progress, "in-progress"},
    {CallStatus::completed, "completed"},
    {CallStatus::busy, "busy"},
    {CallStatus::failed, "failed"},
    {CallStatus::no_answer, "no-answer"},
    {CallStatus::canceled, "canceled"},
}};

constexpr std::array<Word<AnsweredBy>, 7> kAnsweredByWords{{
    {AnsweredBy::human, "human"},
    {AnsweredBy::machine_start, "machine_start"},
    {AnsweredBy::machine_end_beep, "machine_end_beep"},
    {AnsweredBy::machine_end_silence, "machine_end_silence"},
    {AnsweredBy::machine_end_other, "machine_end_other"},
    {AnsweredBy::fax, "fax"},
    {AnsweredBy::unknown, "unknown"},
}};

template <class E, std::size_t N>
std::string_view text_of(const std::array<Word<E>, N>& words, E value) {
  for (const auto& word : words)
    if (word.value == value) return word.text;
  return "";
}

template <class E, std::size_t N>
std::optional<E> value_of(const std::array<Word<E>, N>& words, std::string_view text) {
  for (const auto& word : words)
    if (word.text == text) return word.value;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(CallStatus status) {
  return text_of(kStatusWords, status);
}
std::optional<CallStatus> parse_call_status(std::string_view word) {
  return value_of(kStatusWords, word);
}

int rank(CallStatus status) {
  switch (status) {
    case CallStatus::queued:
      return 0;
    case CallStatus::initiated:
      return 1;
    case CallStatus::ringing:
      return 2;
    case CallStatus::in_progress:
      return 3;
    case CallStatus::completed:
    case CallStatus::busy:
    case CallStatus::failed:
    case CallStatus::no_answer:
    case CallStatus::canceled:
      return 4;
  }
  return 0;
}

bool is_final(CallStatus status) {
  return rank(status) == 4;
}
bool advances(CallStatus current, CallStatus next) {
  return rank(next) > rank(current);
}

std::string_view to_string(AnsweredBy who) {
  return text_of(kAnsweredByWords, who);
}
std::optional<AnsweredBy> parse_answered_by(std::string_view word) {
  return value_of(kAnsweredByWords, word);
}

bool is_machine(AnsweredBy who) {
  return who != AnsweredBy::human && who != AnsweredBy::unknown;
}

bool is_call_sid(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 34 && text.starts_with("CA") &&
         std::all_of(text.begin() + 2, text.end(), is_hex);
}

}  // namespace call::carrier
