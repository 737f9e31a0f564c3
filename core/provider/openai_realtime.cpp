#include "core/provider/openai_realtime.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"
#include "core/provider/channel.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;
using Kind = RealtimeMessage::Kind;

/// Items that are told again on a new connection, and turns whose words may still come.
constexpr std::size_t kMaxMemory = 40;
/// Of the session's settings. A service that says nothing of them takes them all the same: messages
/// are read in their order.
constexpr milliseconds kConfirmation{1000};
/// Of one turn, kept for a new connection.
constexpr std::size_t kMaxKept = 60U * 8000U;
/// The error of a response.create that came before the end of a cancelled answer.
constexpr std::string_view kStillAnswering = "conversation_already_has_active_response";

/// What the service knows of the conversation, for another connection.
struct Item {
  enum class Kind { callee, agent, call, result };
  Kind kind = Kind::callee;
  std::string text;            ///< or a call's arguments; empty: words that are not known (yet)
  speech::RequestId from = 0;  ///< the turn of the callee, or the answer
  std::string call_id;
  std::string name;
};

Json json_of(const Item& item, RealtimeDialect dialect) {
  switch (item.kind) {
    case Item::Kind::call:
      return {{"type", "function_call"},
              {"call_id", item.call_id},
              {"name", item.name},
              {"arguments", item.text}};
    case Item::Kind::result:
      return {{"type", "function_call_output"}, {"call_id", item.call_id}, {"output", item.text}};
    case Item::Kind::callee:
    case Item::Kind::agent:
      break;
  }
  const bool agent = item.kind == Item::Kind::agent;
  const char* content = !agent                                ? "input_text"
                        : dialect == RealtimeDialect::current ? "output_text"
                                                              : "text";
  return {{"type", "message"},
          {"role", agent ? "assistant" : "user"},
          {"content", {{{"type", content}, {"text", item.text}}}}};
}

/// The service tells no times of its words: they are taken to be spread evenly. Whole words only.
std::string heard_of(std::string_view text, milliseconds heard, milliseconds received) {
  if (heard.count() <= 0) return {};
  if (heard >= received) return std::string(text);
  const auto end = text.size() * static_cast<std::size_t>(heard.count()) /
                   static_cast<std::size_t>(received.count());
  const auto space = text.rfind(' ', end);
  return std::string(text.substr(0, space == std::string_view::npos ? 0 : space));
}

}  // namespace

/// On the loop.
class OpenAiRealtime::Session final : public Channel::Owner {
 public:
  Session(Host& host, std::shared_ptr<const Endpoint> endpoint, RealtimeDialect dialect,
          RealtimeSetup setup, speech::EngineSink sink)
      : endpoint_(std::move(endpoint)),
        dialect_(dialect),
        setup_(std::move(setup)),
        sink_(std::move(sink)),
        late_(host.loop()),
        unconfirmed_(host.loop()) {
    ChannelOptions options;
    options.url = endpoint_->url;
    if (!endpoint_->model.empty()) add_query(options.url, "model", endpoint_->model);
    options.connect_timeout = endpoint_->connect_timeout;
    options.max_message_bytes = kMaxRealtimeMessage;
    if (!endpoint_->key.empty())
      options.headers.add("Authorization", "Bearer " + endpoint_->key.reveal());
    if (dialect_ == RealtimeDialect::beta) options.headers.add("OpenAI-Beta", "realtime=v1");
    channel_ = Channel::make(host, std::move(options),
                             host.breaker("realtime " + origin_of(endpoint_->url)));
  }

  void start() { channel_->open(*this); }
  void stop() {
    late_.cancel();
    unconfirmed_.cancel();
    channel_->close();
  }

  void begin() {
    kept_.clear();
    committed_ = false;
    send({{"type", "input_audio_buffer.clear"}});
  }

  void push(std::string mulaw) {
    send_audio(mulaw);
    if (kept_.size() + mulaw.size() <= kMaxKept) kept_ += mulaw;
  }

  void commit() {
    committed_ = true;
    remember({Item::Kind::callee, "", ++turn_, {}, {}});
    unheard_.push_back({turn_, {}});
    if (unheard_.size() > kMaxMemory) unheard_.pop_front();
    send({{"type", "input_audio_buffer.commit"}});
  }

  void tell(const std::string& text) { tell(Item{Item::Kind::callee, text, 0, {}, {}}); }

  void tool_result(const std::string& call_id, const std::string& content) {
    tell(Item{Item::Kind::result, content, 0, call_id, {}});
  }

  void respond(speech::RequestId id, std::string say) {
    request_ = id;
    say_ = std::move(say);
    forget_answer();
    again_ = false;
    waiting_ = true;
    if (const auto* why = channel_->out_of_service()) return fail(*why);
    late_.after(endpoint_->answer_timeout, [this] { too_late(); });
    if (ready_) ask();
  }

  void interrupt(milliseconds heard) {
    late_.cancel();
    if (waiting_) send({{"type", "response.cancel"}});
    const auto received = audio::duration_of(samples_);
    const auto cut = std::min(heard, received);
    // A cut at 0, or behind the end, is refused by the service.
    if (!item_.empty() && cut.count() > 0 && cut < received) {
      send({{"type", "conversation.item.truncate"},
            {"item_id", item_},
            {"content_index", 0},
            {"audio_end_ms", cut.count()}});
    }
    remember_answer(heard_of(text_, cut, received));
    waiting_ = false;
  }

 private:
  /// A response.create that the service has not confirmed.
  struct Asked {
    std::string event;
    speech::RequestId request = 0;
  };
  /// A turn of the callee whose words the service has not told.
  struct Unheard {
    speech::RequestId turn = 0;
    std::string item;  ///< the service's name of it, once it is known
  };

  void send(const Json& message) {
    if (ready_) channel_->send_text(json::dump(message));
  }
  void send_audio(std::string_view mulaw) {
    // By hand: the only message of which there are many.
    if (!ready_ || mulaw.empty()) return;
    message_ = R"({"type":"input_audio_buffer.append","audio":")";
    crypto::base64_append(message_, mulaw);
    message_ += "\"}";
    channel_->send_text(message_);
  }
  void send(const Item& item) {
    send({{"type", "conversation.item.create"}, {"item", json_of(item, dialect_)}});
  }
  void tell(Item item) {
    send(item);
    remember(std::move(item));
  }

  void ask() {
    forget_answer();
    const auto event = "ask_" + std::to_string(++asks_);
    Json message = {{"type", "response.create"},
                    {"event_id", event},
                    {"response", {{"metadata", {{"ask", event}}}}}};
    if (!say_.empty())
      message["response"]["instructions"] = "Say exactly this, and nothing else: " + say_;
    asked_.push_back({event, request_});
    send(message);
  }

  void forget_answer() {
    if (!response_.empty()) former_ = std::exchange(response_, {});
    calls_.clear();
    text_.clear();
    item_.clear();
    samples_ = 0;
  }

  void remember(Item item) {
    memory_.push_back(std::move(item));
    if (memory_.size() > kMaxMemory) memory_.pop_front();
    // A result without its call means nothing to the service.
    while (!memory_.empty() && memory_.front().kind == Item::Kind::result) memory_.pop_front();
  }

  /// The present answer, as far as it was heard.
  void remember_answer(std::string text) {
    if (waiting_ && text.empty()) return;
    if (waiting_) return remember({Item::Kind::agent, std::move(text), request_, {}, {}});
    for (auto& item : memory_) {
      if (item.kind == Item::Kind::agent && item.from == request_) item.text = text;
    }
  }

  void on_up() override {
    asked_.clear();
    again_ = false;
    channel_->send_text(realtime_session(*endpoint_, dialect_, setup_));
    unconfirmed_.after(kConfirmation, [this] { on_ready(); });
  }

  /// The session is ours: what a former connection knew is told again.
  void on_ready() {
    unconfirmed_.cancel();
    if (std::exchange(ready_, true)) return;
    const bool spoken_again = committed_ && !kept_.empty();
    for (const auto& item : memory_) {
      const bool message = item.kind == Item::Kind::callee || item.kind == Item::Kind::agent;
      const bool present = spoken_again && item.kind == Item::Kind::callee && item.from == turn_;
      if (!present && !(message && item.text.empty())) send(item);
    }
    send_audio(kept_);
    unheard_.clear();
    if (spoken_again) {
      unheard_.push_back({turn_, {}});
      send({{"type", "input_audio_buffer.commit"}});
    }
    if (waiting_) ask();
  }

  void on_down(const Error& error, bool soon) override {
    ready_ = false;
    unconfirmed_.cancel();
    last_error_ = error;
    // Half an answer cannot be continued; one that has not begun is asked for again.
    if (waiting_ && (!soon || samples_ > 0 || !text_.empty())) fail(error);
  }

  void on_binary(std::string_view) override {}
  void on_text(std::string_view text) override {
    auto message = parse_realtime(text);
    if (!message) return channel_->drop(message.error());
    switch (message->kind) {
      case Kind::ready:
        return on_ready();
      case Kind::committed:
        return on_committed(message->item);
      case Kind::callee_text:
        return on_callee_text(*message);
      case Kind::created:
        return on_created(*message);
      case Kind::audio:
      case Kind::agent_text:
      case Kind::call:
        if (waiting_ && is_of_this_answer(*message)) on_piece(*message);
        return;
      case Kind::done:
        return on_done(*message);
      case Kind::error:
        return on_error(*message);
      case Kind::other:
        return;
    }
  }

  // ---- the callee's words, which come when the service has found the time

  void on_committed(const std::string& item) {
    const auto turn = std::ranges::find(unheard_, "", &Unheard::item);
    if (turn != unheard_.end()) turn->item = item;
  }

  void on_callee_text(RealtimeMessage& message) {
    auto turn = std::ranges::find(unheard_, message.item, &Unheard::item);
    // A service that does not tell which item a turn became.
    if (turn == unheard_.end()) turn = std::ranges::find(unheard_, "", &Unheard::item);
    if (turn == unheard_.end()) return;
    const auto number = turn->turn;
    unheard_.erase(turn);
    for (auto& item : memory_) {
      if (item.kind == Item::Kind::callee && item.from == number) item.text = message.text;
    }
    sink_(speech::FinalText{number, 0, std::move(message.text), 1, {}});
  }

  // ---- the answer

  /// Answers begin in the order in which they were asked for, also those that were cancelled since.
  void on_created(const RealtimeMessage& message) {
    names_answers_ = true;
    auto asked = std::ranges::find(asked_, message.event, &Asked::event);
    const bool named = asked != asked_.end();
    if (!named) asked = asked_.begin();
    if (asked == asked_.end()) return;
    const auto request = asked->request;
    asked_.erase(asked_.begin(), asked + 1);
    if (waiting_ && request == request_) {
      response_ = message.response;
    } else if (named) {
      // A cancel that came before the answer began has cancelled nothing, and it bars the next one.
      send({{"type", "response.cancel"}, {"response_id", message.response}});
    }
  }

  /// And not of one before, whose last messages were on their way when it was cancelled.
  bool is_of_this_answer(const RealtimeMessage& message) {
    if (message.response.empty() || message.response == response_) return true;
    // A service that does not say when an answer begins.
    if (names_answers_ || !response_.empty() || message.response == former_) return false;
    response_ = message.response;
    return true;
  }

  void on_piece(RealtimeMessage& message) {
    channel_->useful();
    if (message.kind == Kind::call) return calls_.push_back(std::move(message.call));
    if (message.kind == Kind::agent_text) {
      text_ += message.text;
      return sink_(speech::ReplyText{request_, std::move(message.text)});
    }
    late_.after(endpoint_->silence_timeout, [this] { too_late(); });
    item_ = message.item;
    samples_ += message.bytes.size();
    sink_(speech::SpokenAudio{
        request_, audio::Mulaw(message.bytes.begin(), message.bytes.end()), {}});
  }

  void on_done(const RealtimeMessage& message) {
    if (std::exchange(again_, false) && waiting_) return ask();
    if (!waiting_ || !is_of_this_answer(message)) return;
    const auto& status = message.text;
    if (status == "cancelled" && message.response.empty()) return;  // of which one?
    if (status == "cancelled" || status == "failed") {
      const auto why = message.reason.empty() ? "the answer was " + status : message.reason;
      return fail({Errc::unavailable, origin_of(endpoint_->url) + ": " + why});
    }
    channel_->useful();
    late_.cancel();
    kept_.clear();
    remember_answer(text_);
    for (const auto& call : calls_)
      remember({Item::Kind::call, call.arguments, request_, call.id, call.name});
    waiting_ = false;
    sink_(speech::ReplyDone{request_, std::move(calls_), status == "incomplete"});
  }

  /// Most errors are about something that is over already; a question that was refused is not.
  void on_error(const RealtimeMessage& message) {
    last_error_ = {Errc::unavailable, "the realtime service complains: " + message.reason};
    const auto asked = std::ranges::find(asked_, message.event, &Asked::event);
    if (message.event.empty() || asked == asked_.end()) return;
    const auto request = asked->request;
    asked_.erase(asked);
    if (!waiting_ || request != request_) return;
    // The end of the cancelled answer is on its way; then once more.
    if (message.code == kStillAnswering) {
      again_ = true;
    } else {
      fail(last_error_);
    }
  }

  void too_late() {
    const Error error{Errc::timeout, "no answer from " + origin_of(endpoint_->url) + " in time"};
    fail(channel_->up() ? error : last_error_);
    // A connection that says nothing is of no use.
    if (channel_->up()) channel_->drop(error);
  }

  void fail(const Error& error) {
    late_.cancel();
    waiting_ = false;
    sink_(speech::ReplyFailed{request_, error});
  }

  const std::shared_ptr<const Endpoint> endpoint_;
  const RealtimeDialect dialect_;
  const RealtimeSetup setup_;
  const speech::EngineSink sink_;
  std::shared_ptr<Channel> channel_;
  runtime::Timer late_;
  runtime::Timer unconfirmed_;
  std::deque<Item> memory_;
  std::deque<Unheard> unheard_;
  std::string kept_;     ///< of the callee's present turn
  std::string message_;  ///< scratch
  bool committed_ = false;
  bool ready_ = false;
  speech::RequestId turn_ = 0;  ///< the last one committed
  // The answer that was asked for last.
  speech::RequestId request_ = 0;
  std::string say_;
  bool waiting_ = false;  ///< for it, or its rest
  bool again_ = false;    ///< asked for again when the one before has ended
  std::string response_;  ///< the service's name of it
  std::string former_;    ///< of the one before
  std::string item_;
  std::string text_;
  std::size_t samples_ = 0;
  std::vector<speech::ToolCall> calls_;
  std::deque<Asked> asked_;
  std::uint64_t asks_ = 0;
  bool names_answers_ = false;  ///< the service says response.created
  Error last_error_{Errc::unavailable, "not connected yet"};
};

OpenAiRealtime::OpenAiRealtime(Host& host, std::shared_ptr<const Endpoint> endpoint,
                               RealtimeDialect dialect, RealtimeSetup setup,
                               speech::EngineSink sink)
    : host_(host),
      session_(std::make_shared<Session>(host, std::move(endpoint), dialect, std::move(setup),
                                         std::move(sink))) {
  host_.loop().post([s = session_] { s->start(); });
}
OpenAiRealtime::~OpenAiRealtime() {
  host_.loop().post([s = session_] { s->stop(); });
}
void OpenAiRealtime::begin() {
  host_.loop().post([s = session_] { s->begin(); });
}
void OpenAiRealtime::push(audio::MulawView mulaw) {
  host_.loop().post(
      [s = session_, bytes = std::string(mulaw.begin(), mulaw.end())] { s->push(bytes); });
}
void OpenAiRealtime::commit() {
  host_.loop().post([s = session_] { s->commit(); });
}
void OpenAiRealtime::tell(std::string_view text) {
  host_.loop().post([s = session_, text = std::string(text)] { s->tell(text); });
}
void OpenAiRealtime::respond(speech::RequestId id, std::string_view say) {
  host_.loop().post([s = session_, id, say = std::string(say)] { s->respond(id, say); });
}
void OpenAiRealtime::interrupt(milliseconds heard) {
  host_.loop().post([s = session_, heard] { s->interrupt(heard); });
}
void OpenAiRealtime::tool_result(const std::string& call_id, const std::string& content) {
  host_.loop().post([s = session_, call_id, content] { s->tool_result(call_id, content); });
}

}  // namespace call::provider
