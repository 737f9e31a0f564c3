// The conversation is given a port, ears and a voice that answer from the tape. As soon as it asks
// for something else than it asked then, or decides something else, the two have parted and the
// replay ends there: an exception carries that out of the conversation, and goes no further than
// this file.
#include "core/flow/replay.hpp"

#include <fmt/format.h>

#include <cstring>
#include <type_traits>

#include "core/base/affinity.hpp"
#include "core/flow/catalog.hpp"
#include "core/flow/news_text.hpp"
#include "core/flow/taped_conversation.hpp"
#include "core/media/tape_text.hpp"

namespace call::flow {
namespace {

using namespace handler_tape;
using media::Difference;

/// The conversation went another way.
struct Parted {};
/// The tape ends here, before the call did.
struct TapeEnded {};

std::string item_text(const record::TapeItem& item) {
  switch (item.kind) {
    case kClock:
    case kCurrent:
      return fmt::format("{} {}", item.kind == kClock ? "clock" : "still current?",
                         record::tape_number(item.bytes).value_or(-1));
    case kTranscript:
      return "transcript " + std::string(item.bytes);
    case kSpeak:
      return "speak \"" + std::string(item.bytes) + "\"";
    case kAudio:
      return fmt::format("{} bytes of voice", item.bytes.size());
    case kSpoken:
      return "the voice is done";
    case kReport:
      return "report " + std::string(item.bytes);
    case kEvent:
      return "event " + std::string(item.bytes);
    case kDue:
      return "due";
    case kNews: {
      const auto news = decode_news(item.bytes);
      return news ? describe(*news) : news.error().context;
    }
    case kConnected:
      return "the transfer is done";
    default:
      return std::string(item.bytes);
  }
}

class HandlerPlayer {
 public:
  HandlerPlayer(std::string_view track, const media::SessionReplay& session,
                const media::TraceReplay& trace, Replay& result)
      : tape_(track), session_(session), trace_(trace), result_(result) {}

  Status run() {
    const auto head = tape_.next();
    if (!head || head->kind != kAgent) {
      return Error{Errc::protocol, "the handler's track does not begin with its agent"};
    }
    const auto name = std::string(session_.start.parameter("agent"));
    CALL_CHECK(is_open_agent(head->bytes) ? run_open(head->bytes, name)
                                          : run_script(head->bytes, name));
    return std::move(damage_);
  }

 private:
  static constexpr const char* kSource = "the tape's agent";

  Status run_script(std::string_view toml, const std::string& name) {
    CALL_TRY(const auto agent, parse_agent(toml, name, kSource));
    CALL_TRY(const auto matcher, speech::IntentMatcher::create(agent.phrases));
    Conversation conversation(Dialogue(agent, matcher, variables_of(session_.start.parameters)),
                              port(), std::make_unique<TapedEars>(*this), voice(),
                              log::Logger("flow"), agent.turns);
    play(conversation);
    return {};
  }

  /// The engines are notes without anything behind: what they told is on the tape.
  Status run_open(std::string_view toml, const std::string& name) {
    CALL_TRY(const auto agent, parse_open_agent(toml, name, kSource, std::nullopt));
    const auto can_connect = tape_.next();
    if (!can_connect || can_connect->kind != kCanConnect) {
      return Error{Errc::protocol, "the handler's track is not that of an open conversation"};
    }
    const bool connects = record::tape_number(can_connect->bytes) == 1;
    const auto variables = variables_of(session_.start.parameters);
    const auto hold = [&]<class C, class E>(E engines, std::type_identity<C>) {
      engines = noted(std::move(engines), note());
      if (connects) engines.transfer = connect();
      C conversation(agent, variables, port(), std::move(engines), log::Logger("flow"));
      play(conversation);
    };
    if (agent.realtime.endpoint) {
      hold(RealtimeEngines{}, std::type_identity<RealtimeConversation>{});
    } else {
      hold(Engines{}, std::type_identity<OpenConversation>{});
    }
    return {};
  }

  class TapedEars final : public Ears {
   public:
    explicit TapedEars(HandlerPlayer& player) : player_(player) {}
    void start() override {}
    void push(audio::PcmView) override {}
    speech::Transcript finish() override {
      auto transcript = transcript_from(player_.expect(kTranscript, "finish listening").bytes);
      if (!transcript) player_.damaged(transcript.error());
      return std::move(*transcript);
    }

   private:
    HandlerPlayer& player_;
  };

  template <class C>
  void play(C& conversation) {
    try {
      play_items(conversation);
    } catch (const Parted&) {
    } catch (const TapeEnded&) {
    }
  }

  template <class C>
  void play_items(C& conversation) {
    input_ = "begin";
    conversation.begin();
    while (const auto item = tape_.next()) {
      ++result_.handler_inputs;
      input_ = item_text(*item);
      if (trace_) trace_(0, item->kind, input_);
      if (item->kind == kEvent) {
        conversation.on_event(event_of(item->bytes));
      } else if (item->kind == kDue) {
        conversation.on_due();
      } else if (item->kind == kReport) {
        const auto now = report_text(conversation.report());
        if (now != item->bytes) part(item->bytes, now);
        result_.handler_complete = true;
        return;
      } else if (item->kind == kNews && takes_news<C>) {
        take_news(conversation, item->bytes);
      } else {
        part(item_text(*item), "");
      }
    }
  }

  template <class C>
  static constexpr bool takes_news = !std::is_same_v<C, Conversation>;
  template <class C>
  void take_news(C& conversation, std::string_view bytes) {
    if constexpr (takes_news<C>) {
      auto news = decode_news(bytes);
      if (!news) damaged(news.error());
      conversation.on_news(std::move(*news));
    }
  }

  /// The session's next event of this description. Only audio may have been dropped between.
  media::Event event_of(std::string_view described) {
    while (next_event_ < session_.events.size()) {
      const auto& event = session_.events[next_event_++];
      if (media::describe(event) == described) return event;
      if (!std::holds_alternative<media::SpeechAudio>(event)) {
        part(described, media::describe(event));
      }
    }
    part(described, "");
  }

  /// The conversation decides, and decided the same then.
  void decide(char kind, const std::string& line) {
    const auto& item = tape_.peek();
    if (!item) throw TapeEnded{};
    if (item->kind != kind || item->bytes != line) part(item_text(*item), line);
    tape_.next();
    ++result_.handler_decisions;
    if (trace_) trace_(0, kind, line);
  }

  Note note() {
    return [this](const std::string& line) { decide(kAsked, line); };
  }

  Connect connect() {
    return [this](const std::string& number) {
      decide(kAsked, "connect with " + number);
      return status_from(expect(kConnected, "finish the transfer").bytes);
    };
  }

  Port port() {
    Port port;
    port.send = [this](const media::Command& command) {
      decide(kDecided, media::describe(command));
    };
    port.is_current = [this](media::Generation) {
      return number(kCurrent, "ask whether it was interrupted") != 0;
    };
    port.clock_ms = [this] { return number(kClock, "read the clock"); };
    return port;
  }

  Speak voice() {
    return [this](std::string_view text, const speech::Synthesizer::Sink& sink) -> Status {
      const auto asked = expect(kSpeak, "speak");
      if (asked.bytes != text) {
        part(item_text(asked), fmt::format("speak \"{}\"", text));
      }
      ++result_.handler_decisions;
      while (tape_.peek() && tape_.peek()->kind == kAudio) {
        const auto bytes = tape_.next()->bytes;
        audio::Pcm pcm(bytes.size() / sizeof(audio::Pcm::value_type));
        std::memcpy(pcm.data(), bytes.data(), pcm.size() * sizeof(audio::Pcm::value_type));
        static_cast<void>(sink(pcm));  // whether that stopped the voice is in its answer
      }
      return status_from(expect(kSpoken, "finish speaking").bytes);
    };
  }

  std::int64_t number(char kind, const char* what) {
    const auto value = record::tape_number(expect(kind, what).bytes);
    if (!value) damaged({Errc::protocol, "the tape holds a number that is none"});
    return *value;
  }

  record::TapeItem expect(char kind, const char* what) {
    const auto& item = tape_.peek();
    if (!item) throw TapeEnded{};
    if (item->kind != kind) part(item_text(*item), what);
    return *tape_.next();
  }

  [[noreturn]] void part(std::string_view on_tape, std::string_view now) {
    result_.handler_difference = Difference{0, input_, std::string(on_tape), std::string(now)};
    throw Parted{};
  }
  [[noreturn]] void damaged(Error error) {
    damage_ = std::move(error);
    throw Parted{};
  }

  record::TapeReader tape_;
  const media::SessionReplay& session_;
  const media::TraceReplay& trace_;
  Replay& result_;
  std::size_t next_event_ = 0;
  std::string input_;
  Status damage_;
};

}  // namespace

Result<Replay> replay(std::string_view tape, const media::TraceReplay& trace) {
  assert_may_block("flow::replay");
  CALL_TRY(const auto tracks, record::read_tape(tape));
  const auto session = tracks.find(record::Track::session);
  if (session == tracks.end()) return Error{Errc::protocol, "the tape has no session"};
  Replay result;
  CALL_TRY(result.session, media::replay_session(session->second, trace));
  const auto handler = tracks.find(record::Track::handler);
  result.has_handler = handler != tracks.end();
  if (!result.has_handler || result.session.difference) return result;
  CALL_CHECK(HandlerPlayer(handler->second, result.session, trace, result).run());
  return result;
}

}  // namespace call::flow
