// Tapes of calls, as `callctl call replay` is given them: of another machine, of an older version, damaged. A tape is
// replayed, is told to have parted, or is an error; nothing on it ends the program.
#include "core/base/assert.hpp"
#include "core/flow/catalog.hpp"
#include "core/flow/news_text.hpp"
#include "core/flow/replay.hpp"
#include "core/flow/taped_conversation.hpp"
#include "core/media/tape_text.hpp"
#include "core/record/tape.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/media/virtual_carrier.hpp"

namespace call::fuzz {
namespace {

using record::Track;

/// A short call: the session is real, of the conversation there is the beginning.
std::string whole_tape() {
  media::test::VirtualCarrier carrier({}, true);
  carrier.start();
  carrier.command(media::BeginSpeech{1, true});
  carrier.command(media::AddSpeech{1, audio::Mulaw(320, 0x20)});
  carrier.command(media::EndSpeech{1});
  carrier.run(120);
  carrier.run(60, true);
  carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
  record::TapeWriter handler;
  handler.put(flow::handler_tape::kAgent, 0, flow::builtin_survey());
  handler.put_number(flow::handler_tape::kClock, 0, 20);
  handler.put(flow::handler_tape::kDue, 0);
  return std::string(record::kTapeMagic) +
         record::tape_chunk(Track::session, carrier.taped.take_tape(1)) +
         record::tape_chunk(Track::handler, handler.take());
}

std::string track(char kind, std::string_view bytes) {
  record::TapeWriter writer;
  writer.put(media::session_tape::kOptions, 0, "{}");
  writer.put(kind, 1000, bytes);
  writer.put(media::session_tape::kTick, 2'000'000);
  return std::string(record::kTapeMagic) + record::tape_chunk(Track::session, writer.take());
}

}  // namespace

std::vector<std::string> seeds() {
  using std::chrono::milliseconds;
  std::vector<std::string> out{whole_tape(), media::options_text({}),
                               flow::status_bytes(Error{Errc::timeout, "late"})};
  for (const media::Command& command :
       {media::Command(media::AddSpeech{7, audio::Mulaw{0, 127, 255}}),
        media::Command(media::CancelSpeech{}),
        media::Command(media::SetEndpointing{milliseconds(432)}),
        media::Command(media::HangUp{"silence"})}) {
    out.push_back(media::encode_command(command));
    out.push_back(track(media::session_tape::kCommand, out.back()));
  }
  for (const speech::EngineEvent& news :
       {speech::EngineEvent(
            speech::FinalText{3, 2, "x", 0.73, {{"a", milliseconds(-1), milliseconds(9)}}}),
        speech::EngineEvent(speech::ReplyDone{6, {{"c1", "book", R"({"day":1})"}}, true}),
        speech::EngineEvent(speech::SpokenAudio{8, audio::Mulaw(10, 0x20), {{5, 150}}}),
        speech::EngineEvent(speech::SpeakingFailed{10, {Errc::limit, "x"}})}) {
    out.push_back(flow::encode_news(news));
  }
  speech::Transcript transcript;
  transcript.text = "yes";
  transcript.words = {{"yes", milliseconds(300), milliseconds(700)}};
  out.push_back(flow::transcript_json(transcript));
  return out;
}

void feed(std::string_view input) {
  if (const auto command = media::decode_command(input)) {
    const auto again = media::decode_command(media::encode_command(*command));
    CALL_ASSERT(again && media::describe(*again) == media::describe(*command));
  }
  if (const auto options = media::options_from_text(input)) {
    const auto text = media::options_text(*options);
    const auto again = media::options_from_text(text);
    CALL_ASSERT(again && media::options_text(*again) == text);
  }
  if (const auto news = flow::decode_news(input)) static_cast<void>(flow::describe(*news));
  static_cast<void>(flow::status_from(input));
  static_cast<void>(flow::transcript_from(input));
  static_cast<void>(flow::replay(input));
}

}  // namespace call::fuzz
