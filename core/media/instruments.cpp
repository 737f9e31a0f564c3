#include "core/media/instruments.hpp"

#include <algorithm>
#include <string>

namespace call::media {
namespace {

/// Where it stands in a list whose last word is for all others.
template <std::size_t N>
std::size_t index_in(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto at = std::ranges::find(words, word);
  return at == words.end() ? N - 1 : static_cast<std::size_t>(at - words.begin());
}

}  // namespace

/// Of a call's counters those that are added up over all calls as they grow.
std::vector<Instruments::Exported> Instruments::exported_counters(metrics::Registry& registry) {
  using record::Counters;
  struct Row {
    std::uint64_t Counters::*member;
    const char* name;
    const char* help;
  };
  constexpr Row kRows[] = {
      {&Counters::frames_in, "frames_in", "Audio messages from the carrier"},
      {&Counters::frames_out, "frames_out", "Units of 20 ms of audio sent to the carrier"},
      {&Counters::underruns, "underruns",
       "Times that the carrier ran dry in the middle of an utterance"},
      {&Counters::barge_ins, "barge_ins", "Interruptions by callees"},
      {&Counters::clears, "clears", "Times that the carrier was told to forget what it had"},
      {&Counters::marks_heard, "marks_heard", "Marks that came back: audio that was played"},
      {&Counters::marks_stale, "marks_stale", "Echoes of speech that had been cut off"},
      {&Counters::inbound_gap_ms, "inbound_gap_milliseconds", "Inbound audio that never came"},
      {&Counters::messages_refused, "messages_refused", "Messages that broke the protocol"},
  };
  std::vector<Exported> exported;
  for (const auto& row : kRows) {
    const auto name = "calld_media_" + std::string(row.name) + "_total";
    exported.push_back({&registry.counter(name, row.help), row.member});
  }
  return exported;
}

Instruments::Instruments(metrics::Registry& registry)
    : active_calls(registry.gauge("calld_media_calls_active", "Calls being held now")),
      calls(registry.counter("calld_media_calls_total", "Calls whose stream was accepted")),
      refused_full(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                    {{"reason", "full"}})),
      refused_auth(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                    {{"reason", "auth"}})),
      refused_agent(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                     {{"reason", "agent"}})),
      refused_unproven(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                        {{"reason", "unproven"}})),
      refused_twice(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                     {{"reason", "duplicate_call"}})),
      start_timeouts(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                      {{"reason", "no_start"}})),
      exported_(exported_counters(registry)),
      call_seconds_(registry.histogram("calld_media_call_seconds",
                                       "Length of a call, from its start to its end",
                                       {1, 5, 10, 20, 30, 60, 120, 300, 600, 1800})),
      lateness_(registry.histogram("calld_media_tick_lateness_seconds",
                                   "How late the sender of a media loop ran",
                                   {0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1})) {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    drops_[i] = &registry.counter("calld_media_drops_total", kDropsHelp,
                                  {{"reason", std::string(kReasons[i])}});
  }
  for (std::size_t i = 0; i < kEnds.size(); ++i) {
    ends_[i] = &registry.counter("calld_media_calls_ended_total", "Calls ended, by reason",
                                 {{"reason", std::string(kEnds[i])}});
  }
}

void Instruments::add_progress(const record::Counters& now, record::Counters& last) {
  for (const auto& [counter, member] : exported_) {
    counter->add(now.*member - last.*member);
    last.*member = now.*member;
  }
}

void Instruments::add_drops(const record::Counters& counters) {
  for (const auto& [reason, count] : counters.drops) drops_[index_in(kReasons, reason)]->add(count);
}

void Instruments::call_ended(std::string_view reason, double seconds) {
  ends_[index_in(kEnds, reason)]->add();
  call_seconds_.observe(seconds);
}

}  // namespace call::media
