#include "core/store/types.hpp"

#include <array>
#include <cstddef>

namespace call::store {
namespace {

using std::string_view;

// Each table is in the order of its enumeration.
constexpr std::array<string_view, 6> kListStates = {"draft",     "running",   "paused",
                                                    "completed", "cancelled", "failed"};
constexpr std::array<string_view, 5> kEntryStates = {"pending", "dialing", "in_call", "retry_wait",
                                                     "done"};
constexpr std::array<string_view, 8> kOutcomes = {"completed", "busy",      "no_answer", "failed",
                                                  "machine",   "cancelled", "refused",   "expired"};
constexpr std::array<string_view, 7> kAttemptStates = {"intent",   "sending",   "placed", "unknown",
                                                       "rejected", "abandoned", "ended"};
constexpr std::array<string_view, 9> kCallStatuses = {"queued",      "initiated", "ringing",
                                                      "in-progress", "completed", "busy",
                                                      "no-answer",   "failed",    "canceled"};
constexpr std::array<string_view, 3> kAmd = {"off", "async", "sync"};
constexpr std::array<string_view, 2> kOnMachine = {"hang_up", "talk"};

template <std::size_t N, class E>
string_view name_of(const std::array<string_view, N>& names, E value) {
  return names.at(static_cast<std::size_t>(value));
}

template <class E, std::size_t N>
std::optional<E> value_of(const std::array<string_view, N>& names, string_view text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names.at(i) == text) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace

int rank(CallStatus status) {
  return status < CallStatus::completed ? static_cast<int>(status) : 4;
}

string_view to_string(ListState state) {
  return name_of(kListStates, state);
}
string_view to_string(EntryState state) {
  return name_of(kEntryStates, state);
}
string_view to_string(Outcome outcome) {
  return name_of(kOutcomes, outcome);
}
string_view to_string(AttemptState state) {
  return name_of(kAttemptStates, state);
}
string_view to_string(CallStatus status) {
  return name_of(kCallStatuses, status);
}
string_view to_string(Amd amd) {
  return name_of(kAmd, amd);
}
string_view to_string(OnMachine on_machine) {
  return name_of(kOnMachine, on_machine);
}

std::optional<ListState> parse_list_state(string_view text) {
  return value_of<ListState>(kListStates, text);
}
std::optional<EntryState> parse_entry_state(string_view text) {
  return value_of<EntryState>(kEntryStates, text);
}
std::optional<Outcome> parse_outcome(string_view text) {
  return value_of<Outcome>(kOutcomes, text);
}
std::optional<AttemptState> parse_attempt_state(string_view text) {
  return value_of<AttemptState>(kAttemptStates, text);
}
std::optional<CallStatus> parse_call_status(string_view text) {
  return value_of<CallStatus>(kCallStatuses, text);
}
std::optional<Amd> parse_amd(string_view text) {
  return value_of<Amd>(kAmd, text);
}
std::optional<OnMachine> parse_on_machine(string_view text) {
  return value_of<OnMachine>(kOnMachine, text);
}

}  // namespace call::store
