// What an open conversation needs of its engines: one listens, one thinks, one speaks; or a single
// one does all three. Small interfaces, so that a provider is one file.
//
// An engine object belongs to one call. Its members are called on the call's handler thread and
// return at once, except where an embedded engine computes (the header of that engine says so). What
// happens comes back through the sink, from any thread. Requests carry a number of the
// conversation's choosing: news of a request that has been given up may still arrive and is told by
// its number. Destroying an engine cancels everything.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/audio/format.hpp"
#include "core/base/error.hpp"
#include "core/speech/timed_word.hpp"

namespace call::speech {

using RequestId = std::uint32_t;

// ---- what engines tell

/// What the callee has said so far; may still change.
struct PartialText {
  RequestId utterance = 0;
  std::string text;
};
/// The answer to one flush(): everything that was said in the utterance until then.
struct FinalText {
  RequestId utterance = 0;
  std::uint32_t flush = 0;
  std::string text;  ///< empty: nothing was said that could be recognised
  double confidence = 1;
  std::vector<TimedWord> words;  ///< where the engine gives them; from the utterance's first sample
};
/// Instead of the answer to that flush(): the utterance is lost. Later ones may succeed.
struct ListeningFailed {
  RequestId utterance = 0;
  std::uint32_t flush = 0;
  Error error;
};

/// A piece of the model's answer.
struct ReplyText {
  RequestId request = 0;
  std::string text;
};
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  ///< JSON as the model wrote it: perhaps not valid
};
struct ReplyDone {
  RequestId request = 0;
  std::vector<ToolCall> calls;
  bool cut_short = false;  ///< the model's length limit or its content filter ended the answer
};
struct ReplyFailed {
  RequestId request = 0;
  Error error;
};

/// When `chars` bytes of the utterance's text have been spoken, `ms` of its audio have been played.
struct TextMark {
  std::size_t chars = 0;
  std::int64_t ms = 0;
};
struct SpokenAudio {
  RequestId utterance = 0;
  audio::Mulaw mulaw;
  std::vector<TextMark> marks;  ///< ascending; counted from the utterance's beginning
};
struct SpeakingDone {
  RequestId utterance = 0;
};
struct SpeakingFailed {
  RequestId utterance = 0;
  Error error;
};

struct ToolResult {
  RequestId request = 0;
  std::string call_id;
  std::string content;  ///< for the model
  bool ok = true;
};

using EngineEvent =
    std::variant<PartialText, FinalText, ListeningFailed, ReplyText, ReplyDone, ReplyFailed,
                 SpokenAudio, SpeakingDone, SpeakingFailed, ToolResult>;
/// Thread-safe, never blocks.
using EngineSink = std::function<void(EngineEvent)>;

// ---- what engines do

class Listener {
 public:
  virtual ~Listener() = default;
  /// A new utterance; one that is open is forgotten.
  virtual void begin(RequestId utterance) = 0;
  /// 8 kHz audio of the open utterance.
  virtual void push(audio::PcmView pcm) = 0;
  /// The callee pauses: answer with FinalText of that number, or ListeningFailed, within the
  /// engine's deadline. More audio and another flush may follow.
  virtual void flush(std::uint32_t number) = 0;
};

struct ChatMessage {
  enum class Role { system, user, assistant, tool };
  Role role = Role::user;
  std::string text;
  std::vector<ToolCall> calls;  ///< assistant
  std::string call_id;          ///< tool: whose result this is
};
struct ToolSpec {
  std::string name;
  std::string description;
  std::string parameters;  ///< a JSON schema
};
struct ChatRequest {
  RequestId id = 0;
  std::vector<ChatMessage> messages;
  std::shared_ptr<const std::vector<ToolSpec>> tools;  ///< null or empty: none are offered
  bool tools_allowed = true;  ///< false: they are named but may not be called
};

class ChatModel {
 public:
  virtual ~ChatModel() = default;
  /// Answers with ReplyText ..., then ReplyDone or ReplyFailed. One at a time: an older request is
  /// cancelled.
  virtual void ask(ChatRequest request) = 0;
  virtual void cancel() = 0;
};

class Speaker {
 public:
  virtual ~Speaker() = default;
  /// A new utterance; an older one is cancelled. A good moment to connect: the text follows.
  virtual void begin(RequestId utterance) = 0;
  /// The next sentence, or several, with the white space that parts it from the next.
  virtual void add(std::string_view text) = 0;
  /// No more text follows: SpeakingDone comes behind the last audio.
  virtual void end() = 0;
  virtual void cancel() = 0;
};

/// One engine that listens, thinks and speaks. It tells its audio as SpokenAudio, its text as
/// ReplyText, the end of an answer as ReplyDone with the tools that it calls, failures as ReplyFailed;
/// each with the number that respond() was given last. The callee's words come as FinalText of
/// utterance n, which is the n-th that was committed, in any order and perhaps never.
class Converser {
 public:
  virtual ~Converser() = default;
  /// A turn of the callee begins; what was pushed and not committed is forgotten.
  virtual void begin() = 0;
  virtual void push(audio::MulawView mulaw) = 0;
  /// The callee's turn is over.
  virtual void commit() = 0;
  /// The callee has done something that cannot be heard.
  virtual void tell(std::string_view text) = 0;
  /// Ask for an answer. `say`: these words, if not empty.
  virtual void respond(RequestId id, std::string_view say) = 0;
  /// No more of the answer; of its audio the callee has heard so much.
  virtual void interrupt(std::chrono::milliseconds heard) = 0;
  virtual void tool_result(const std::string& call_id, const std::string& content) = 0;
};

}  // namespace call::speech
