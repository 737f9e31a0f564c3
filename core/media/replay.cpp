#include "core/media/replay.hpp"

#include <fmt/format.h>

#include <cstring>

#include "core/media/tape_text.hpp"
#include "core/media/taped_session.hpp"

namespace call::media {
namespace {

using namespace session_tape;

/// The voice detector's answers, from the tape.
class TapedVoice final : public speech::Vad {
 public:
  explicit TapedVoice(record::TapeReader& tape) : tape_(tape) {}
  float push(audio::PcmView) noexcept override {
    float answer = 0;
    const auto& item = tape_.peek();
    missing = missing || !item || item->kind != kVoice || item->bytes.size() != sizeof answer;
    if (missing) return 0;
    std::memcpy(&answer, item->bytes.data(), sizeof answer);
    tape_.next();
    return answer;
  }
  void reset() noexcept override {}
  bool missing = false;  ///< it was asked more often than on the tape

 private:
  record::TapeReader& tape_;
};

std::string input_text(char kind, std::string_view bytes, const Command* command) {
  switch (kind) {
    case kMessage:
      return "message " + std::string(bytes.substr(0, 200));
    case kTick:
      return "tick";
    case kCommand:
      return "command " + describe(*command);
    case kAccept:
      return "accepted";
    case kEnd:
      return "end: " + std::string(bytes);
    default:
      return fmt::format("item {}", kind);
  }
}

class SessionPlayer {
 public:
  SessionPlayer(std::string_view track, const TraceReplay& trace) : tape_(track), trace_(trace) {}

  Result<SessionReplay> run() {
    const auto head = tape_.next();
    if (!head || head->kind != kOptions) {
      return Error{Errc::protocol, "the session's track does not begin with its options"};
    }
    CALL_TRY(const auto options, options_from_text(head->bytes));
    session_.emplace(options, kOpened);
    while (!result_.difference) {
      const auto item = tape_.next();
      if (!item) break;
      CALL_CHECK(input(*item));
      compare(*item);
    }
    result_.start = session_->start();
    result_.ended = session_->ended();
    return std::move(result_);
  }

 private:
  /// Any time that is not the clock's zero: sessions know differences only.
  static constexpr Session::Time kOpened{std::chrono::hours(1)};

  Status input(const record::TapeItem& item) {
    const auto now = kOpened + std::chrono::nanoseconds(item.at_ns);
    result_.length_ns = item.at_ns;
    ++result_.inputs;
    Command command;
    if (item.kind == kCommand) {
      CALL_TRY(command, decode_command(item.bytes));
      result_.sent.push_back(describe(command));
    }
    input_ = input_text(item.kind, item.bytes, &command);
    if (trace_) trace_(item.at_ns, item.kind, input_);
    switch (item.kind) {
      case kMessage:
        session_->on_message(item.bytes, now, out_);
        return {};
      case kTick:
        session_->on_tick(now, out_);
        return {};
      case kCommand:
        session_->on_command(std::move(command), now, out_);
        return {};
      case kAccept:
        return accept(item.bytes, now);
      case kEnd:
        session_->end(item.bytes, now, out_);
        return {};
      default:
        return Error{
            Errc::protocol,
            fmt::format("the session's track holds an item of unknown kind {}", item.kind)};
    }
  }

  Status accept(std::string_view bytes, Session::Time now) {
    if (bytes.empty()) return Error{Errc::protocol, "the tape accepts a call in no mode"};
    CALL_TRY(const auto options, options_from_text(bytes.substr(1)));
    if (!out_.started) return Error{Errc::protocol, "the tape accepts a call that did not start"};
    out_.started.reset();
    auto voice = std::make_unique<TapedVoice>(tape_);
    voice_ = voice.get();
    session_->accept(bytes.front() == 'e' ? Session::Mode::echo : Session::Mode::conversation,
                     std::move(voice), options.tuning, now);
    return {};
  }

  void compare(const record::TapeItem& input) {
    for (const auto& message : out_.messages) decided(input, describe_message(message));
    for (const auto& event : out_.events) decided(input, describe(event));
    for (const auto& block : out_.recorded) decided(input, describe(block));
    const auto& more = tape_.peek();
    if (more && (more->kind == kDecided || more->kind == kVoice)) {
      differ(input, more->kind == kVoice ? "asked the voice detector" : more->bytes, "");
    }
    if (voice_ != nullptr && voice_->missing) differ(input, "", "asks the voice detector");
    for (auto& event : out_.events) result_.events.push_back(std::move(event));
    out_.messages.clear();
    out_.events.clear();
    out_.recorded.clear();
    out_.refused.reset();
    out_.carrier_error.reset();
  }

  void decided(const record::TapeItem& input, const std::string& line) {
    const auto& item = tape_.peek();
    const bool any = item && item->kind == kDecided;
    if (!item && tape_.truncated()) return;  // the rest of it was never written
    if (!any || item->bytes != line) return differ(input, any ? item->bytes : "", line);
    if (result_.difference) return;
    tape_.next();
    ++result_.decisions;
    if (trace_) trace_(input.at_ns, kDecided, line);
  }

  void differ(const record::TapeItem& input, std::string_view on_tape, std::string_view now) {
    if (result_.difference) return;
    result_.difference = Difference{input.at_ns, input_, std::string(on_tape), std::string(now)};
  }

  record::TapeReader tape_;
  const TraceReplay& trace_;
  std::optional<Session> session_;
  Session::Output out_;
  TapedVoice* voice_ = nullptr;  ///< owned by the session
  std::string input_;
  SessionReplay result_;
};

}  // namespace

Result<SessionReplay> replay_session(std::string_view track, const TraceReplay& trace) {
  return SessionPlayer(track, trace).run();
}

}  // namespace call::media
