#include "core/provider/openai_chat.hpp"

#include <atomic>
#include <utility>

#include "core/provider/chat_wire.hpp"
#include "core/provider/sse.hpp"
#include "core/runtime/timer.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

constexpr int kAttempts = 2;
constexpr milliseconds kFirstPause{250};
/// A callee does not wait longer than this for a second try.
constexpr milliseconds kLongestPause{2000};
constexpr milliseconds kLongestAnswer{60000};
constexpr std::size_t kMaxErrorBody = 16U << 10;

net::HttpRequest request_of(const Endpoint& endpoint, std::string body) {
  net::HttpRequest request;
  request.method = "POST";
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Accept", "text/event-stream");
  if (!endpoint.key.empty())
    request.headers.add("Authorization", "Bearer " + endpoint.key.reveal());
  request.body = std::move(body);
  return request;
}

}  // namespace

/// One request with its second try. Lives on the loop; `given_up` is set from outside.
class OpenAiChat::Asking final : public net::HttpReceiver,
                                 public std::enable_shared_from_this<Asking> {
 public:
  Asking(Host& host, std::shared_ptr<const Endpoint> endpoint, std::shared_ptr<Breaker> breaker,
         speech::EngineSink sink, speech::RequestId id, std::string body)
      : host_(host),
        endpoint_(std::move(endpoint)),
        breaker_(std::move(breaker)),
        sink_(std::move(sink)),
        id_(id),
        body_(std::move(body)),
        timer_(host.loop()),
        give_up_at_(MonoClock::now() + endpoint_->answer_timeout) {}

  /// On the loop.
  void start() {
    if (given_up_) return;
    if (!breaker_->admit()) {
      return fail(
          {Errc::unavailable,
           origin_of(endpoint_->url) + " has failed several times in a row; not asked for a while"},
          false);
    }
    ++attempt_;
    status_ = 0;
    error_body_.clear();
    sse_ = {};
    reader_ = {};
    net::HttpStreamLimits limits;
    limits.connect = endpoint_->connect_timeout;
    limits.head = endpoint_->answer_timeout;
    limits.silence = std::max(endpoint_->silence_timeout, endpoint_->answer_timeout);
    limits.total = kLongestAnswer;
    call_ = host_.http().start(with_path(endpoint_->url, "/chat/completions"),
                               request_of(*endpoint_, body_), limits, shared_from_this());
    timer_.at(give_up_at_, [self = shared_from_this()] { self->too_late(); });
  }

  /// Any thread.
  void give_up() {
    given_up_ = true;
    host_.loop().post([self = shared_from_this()] { self->stop(); });
  }

 private:
  /// A whole answer is read to its very end, so that its connection can be used again.
  void stop() {
    timer_.cancel();
    if (!finished_) call_.cancel();
  }

  void on_head(const net::HttpResponse& head) override {
    status_ = head.status;
    retry_after_ = retry_after_of(head.headers);
    streamed_ = head.headers.get("content-type").find("json") == std::string_view::npos;
  }

  void on_body(std::string_view piece) override {
    if (given_up_) return;
    if (status_ / 100 != 2 || !streamed_) {
      const auto limit = status_ / 100 == 2 ? ChatReader::kMaxText * 4 : kMaxErrorBody;
      error_body_ += piece.substr(0, limit - std::min(limit, error_body_.size()));
      return;
    }
    const auto fed = sse_.feed(piece, [this](std::string_view data) { take(data); });
    if (!fed && !over_) fail(fed.error(), true);
  }

  void take(std::string_view data) {
    if (over_) return;
    auto text = reader_.feed(data);
    if (!text) return fail(text.error(), true);
    if (!text->empty()) {
      said_something_ = true;
      timer_.after(endpoint_->silence_timeout, [self = shared_from_this()] { self->too_late(); });
      if (!given_up_) sink_(speech::ReplyText{id_, std::move(*text)});
    }
    if (reader_.finished()) finish();
  }

  void on_end() override {
    if (over_) return;
    if (status_ / 100 != 2) return refused();
    if (!streamed_) take(error_body_);
    if (over_) return;
    if (said_something_ || !reader_.calls().empty()) return finish();
    fail({Errc::protocol, origin_of(endpoint_->url) + " ended its answer without a word"}, true);
  }

  void on_error(const Error& error) override {
    if (over_) return;
    const bool may_pass = error.code != Errc::permission && error.code != Errc::invalid_argument;
    if (may_pass && try_again(kFirstPause)) return;
    fail(error, true);
  }

  void refused() {
    auto error = error_of(status_, error_body_, origin_of(endpoint_->url));
    if (error.code == Errc::unavailable && try_again(retry_after_.value_or(kFirstPause))) return;
    fail(error, error.code == Errc::unavailable);
  }

  bool try_again(milliseconds pause) {
    if (said_something_ || attempt_ >= kAttempts || pause > kLongestPause || given_up_)
      return false;
    if (MonoClock::now() + pause >= give_up_at_) return false;
    breaker_->failed();
    timer_.after(pause, [self = shared_from_this()] { self->start(); });
    return true;
  }

  void too_late() {
    if (over_) return;
    call_.cancel();
    fail({Errc::timeout,
          origin_of(endpoint_->url) + (said_something_ ? " fell silent in the middle of its answer"
                                                       : " did not answer in time")},
         true);
  }

  void finish() {
    over_ = finished_ = true;
    timer_.cancel();
    breaker_->succeeded();
    if (!given_up_) sink_(speech::ReplyDone{id_, reader_.calls(), reader_.cut_short()});
  }

  void fail(const Error& error, bool is_failure) {
    over_ = true;
    stop();
    if (given_up_) return;
    if (is_failure) breaker_->failed();
    sink_(speech::ReplyFailed{id_, error});
  }

  Host& host_;
  const std::shared_ptr<const Endpoint> endpoint_;
  const std::shared_ptr<Breaker> breaker_;
  const speech::EngineSink sink_;
  const speech::RequestId id_;
  const std::string body_;
  std::atomic<bool> given_up_{false};
  runtime::Timer timer_;
  const MonoClock::time_point give_up_at_;
  net::HttpStreams::Handle call_;
  SseParser sse_;
  ChatReader reader_;
  std::string error_body_;
  std::optional<milliseconds> retry_after_;
  int status_ = 0;
  int attempt_ = 0;
  bool streamed_ = true;
  bool said_something_ = false;
  bool over_ = false;
  bool finished_ = false;
};

OpenAiChat::OpenAiChat(Host& host, std::shared_ptr<const Endpoint> endpoint,
                       speech::EngineSink sink)
    : host_(host),
      endpoint_(std::move(endpoint)),
      breaker_(host.breaker("chat " + origin_of(endpoint_->url))),
      sink_(std::move(sink)) {}

OpenAiChat::~OpenAiChat() {
  cancel();
}

void OpenAiChat::ask(speech::ChatRequest request) {
  cancel();
  auto body = chat_body(*endpoint_, request);
  asking_ =
      std::make_shared<Asking>(host_, endpoint_, breaker_, sink_, request.id, std::move(body));
  host_.loop().post([asking = asking_] { asking->start(); });
}

void OpenAiChat::cancel() {
  if (asking_) asking_->give_up();
  asking_.reset();
}

}  // namespace call::provider
