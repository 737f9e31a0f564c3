#include "core/provider/streaming_listener.hpp"

#include <algorithm>
#include <utility>

namespace call::provider {
namespace {

ChannelOptions with_timeout(ChannelOptions options, const Endpoint& endpoint) {
  options.connect_timeout = endpoint.connect_timeout;
  return options;
}

}  // namespace

void append_words(std::string& text, std::string_view more) {
  if (more.empty()) return;
  if (!text.empty()) text += ' ';
  text += more;
}

ListenerStream::ListenerStream(Host& host, std::shared_ptr<const Endpoint> endpoint,
                               speech::EngineSink sink, ChannelOptions options)
    : endpoint_(std::move(endpoint)),
      channel_(Channel::make(host, with_timeout(std::move(options), *endpoint_),
                             host.breaker("listen " + origin_of(endpoint_->url)))),
      sink_(std::move(sink)),
      late_(host.loop()) {}

void ListenerStream::stop() {
  late_.cancel();
  channel_->close();
}

void ListenerStream::begin(speech::RequestId utterance) {
  late_.cancel();
  flush_.reset();
  utterance_ = utterance;
  confidence_ = 1;
  kept_.clear();
  words_.clear();
  dropped_ = 0;
  origin_ = static_cast<std::int64_t>(sent_);
  on_begin();
}

void ListenerStream::send(audio::PcmView pcm) {
  send_audio(pcm);
  sent_ += pcm.size();
}

void ListenerStream::push(audio::PcmView pcm) {
  if (kept_.size() + pcm.size() <= kMaxKept) kept_.insert(kept_.end(), pcm.begin(), pcm.end());
  if (channel_->up()) send(pcm);
}

void ListenerStream::flush(std::uint32_t number) {
  flush_ = number;
  if (const auto* why = channel_->out_of_service()) return fail(*why);
  late_.after(endpoint_->answer_timeout, [this] { too_late(); });
  if (channel_->up()) ask_for_words();
}

void ListenerStream::on_up() {
  sent_ = 0;
  origin_ = -static_cast<std::int64_t>(dropped_);
  on_connected();
  if (!kept_.empty()) send(kept_);
  if (flush_) ask_for_words();
}

void ListenerStream::on_down(const Error& error, bool soon) {
  last_error_ = error;
  on_disconnected();
  if (!soon && flush_) fail(error);
}

void ListenerStream::answer(std::string text) {
  late_.cancel();
  const auto number = std::exchange(flush_, std::nullopt).value_or(0);
  sink_(speech::FinalText{utterance_, number, std::move(text), confidence_, words_});
}

void ListenerStream::keep_words(std::vector<speech::TimedWord> words) {
  const std::chrono::milliseconds origin(origin_ / static_cast<std::int64_t>(audio::kSamplesPerMs));
  speech::append_since(words_, std::move(words), origin);
}

void ListenerStream::drop_kept(std::size_t samples) {
  const auto count = std::min(samples, kept_.size());
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
  dropped_ += count;
}

void ListenerStream::tell_partial(std::string text) {
  if (!text.empty()) sink_(speech::PartialText{utterance_, std::move(text)});
}

void ListenerStream::too_late() {
  if (auto words = words_so_far(); !words.empty()) return answer(std::move(words));
  const bool up = channel_->up();
  fail(up ? Error{Errc::timeout, "no transcript from " + origin_of(endpoint_->url) + " in time"}
          : last_error_);
  // A connection that says nothing is of no use.
  if (up) channel_->drop({Errc::timeout, "no transcript in time"});
}

void ListenerStream::fail(const Error& error) {
  late_.cancel();
  const auto number = std::exchange(flush_, std::nullopt).value_or(0);
  sink_(speech::ListeningFailed{utterance_, number, error});
}

StreamingListener::StreamingListener(Host& host, std::shared_ptr<ListenerStream> stream)
    : host_(host), stream_(std::move(stream)) {
  host_.loop().post([stream = stream_] { stream->start(); });
}

StreamingListener::~StreamingListener() {
  host_.loop().post([stream = stream_] { stream->stop(); });
}

void StreamingListener::begin(speech::RequestId utterance) {
  host_.loop().post([stream = stream_, utterance] { stream->begin(utterance); });
}

void StreamingListener::push(audio::PcmView pcm) {
  host_.loop().post(
      [stream = stream_, copy = audio::Pcm(pcm.begin(), pcm.end())] { stream->push(copy); });
}

void StreamingListener::flush(std::uint32_t number) {
  host_.loop().post([stream = stream_, number] { stream->flush(number); });
}

}  // namespace call::provider
