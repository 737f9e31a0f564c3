#include "core/flow/news_text.hpp"

#include <fmt/format.h>

#include <bit>
#include <concepts>
#include <tuple>
#include <type_traits>

#include "core/media/tape_text.hpp"
#include "core/record/tape.hpp"

namespace call::flow {
namespace {

using std::chrono::milliseconds;

// The members of every struct, once, for writing and for reading.
template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

auto fields(Is<Error> auto& e) {
  return std::tie(e.code, e.context);
}
auto fields(Is<speech::TimedWord> auto& w) {
  return std::tie(w.text, w.start, w.end);
}
auto fields(Is<speech::ToolCall> auto& c) {
  return std::tie(c.id, c.name, c.arguments);
}
auto fields(Is<speech::TextMark> auto& m) {
  return std::tie(m.chars, m.ms);
}
auto fields(Is<speech::PartialText> auto& n) {
  return std::tie(n.utterance, n.text);
}
auto fields(Is<speech::FinalText> auto& n) {
  return std::tie(n.utterance, n.flush, n.text, n.confidence, n.words);
}
auto fields(Is<speech::ListeningFailed> auto& n) {
  return std::tie(n.utterance, n.flush, n.error);
}
auto fields(Is<speech::ReplyText> auto& n) {
  return std::tie(n.request, n.text);
}
auto fields(Is<speech::ReplyDone> auto& n) {
  return std::tie(n.request, n.calls, n.cut_short);
}
auto fields(Is<speech::ReplyFailed> auto& n) {
  return std::tie(n.request, n.error);
}
auto fields(Is<speech::SpokenAudio> auto& n) {
  return std::tie(n.utterance, n.mulaw, n.marks);
}
auto fields(Is<speech::SpeakingDone> auto& n) {
  return std::tie(n.utterance);
}
auto fields(Is<speech::SpeakingFailed> auto& n) {
  return std::tie(n.utterance, n.error);
}
auto fields(Is<speech::ToolResult> auto& n) {
  return std::tie(n.request, n.call_id, n.content, n.ok);
}

// ---- writing

template <class T>
requires std::integral<T> || std::is_enum_v<T>
void write(std::string& out, T value) {
  record::append_number(out, static_cast<std::int64_t>(value));
}
void write(std::string& out, double value) {
  record::append_number(out, std::bit_cast<std::int64_t>(value));
}
void write(std::string& out, milliseconds value) {
  record::append_number(out, value.count());
}
void write(std::string& out, const std::string& text) {
  write(out, text.size());
  out += text;
}
void write(std::string& out, const audio::Mulaw& mulaw) {
  write(out, mulaw.size());
  out.append(mulaw.begin(), mulaw.end());
}
template <class T>
void write_struct(std::string& out, const T& value);
template <class T>
void write(std::string& out, const std::vector<T>& items) {
  write(out, items.size());
  for (const auto& item : items) write_struct(out, item);
}
template <class T>
requires requires(const T& value) {
  fields(value);
}
void write(std::string& out, const T& value) {
  write_struct(out, value);
}
template <class T>
void write_struct(std::string& out, const T& value) {
  std::apply([&](const auto&... member) { (write(out, member), ...); }, fields(value));
}

// ---- reading: takes what it reads off `in`; false when it is not there

template <class T>
requires std::integral<T> || std::is_enum_v<T>
bool read(std::string_view& in, T& value) {
  const auto number = record::take_number(in);
  if (number) value = static_cast<T>(*number);
  return number.has_value();
}
bool read(std::string_view& in, double& value) {
  const auto number = record::take_number(in);
  if (number) value = std::bit_cast<double>(*number);
  return number.has_value();
}
bool read(std::string_view& in, milliseconds& value) {
  const auto number = record::take_number(in);
  if (number) value = milliseconds(*number);
  return number.has_value();
}
template <class Bytes>
bool read_bytes(std::string_view& in, Bytes& bytes) {
  std::size_t size = 0;
  if (!read(in, size) || size > in.size()) return false;
  bytes.assign(in.begin(), in.begin() + size);
  in.remove_prefix(size);
  return true;
}
bool read(std::string_view& in, std::string& text) {
  return read_bytes(in, text);
}
bool read(std::string_view& in, audio::Mulaw& mulaw) {
  return read_bytes(in, mulaw);
}
template <class T>
bool read_struct(std::string_view& in, T& value);
template <class T>
bool read(std::string_view& in, std::vector<T>& items) {
  std::size_t size = 0;
  if (!read(in, size) || size > in.size()) return false;  // each takes a byte at least
  items.resize(size);
  for (auto& item : items) {
    if (!read_struct(in, item)) return false;
  }
  return true;
}
template <class T>
requires requires(T& value) {
  fields(value);
}
bool read(std::string_view& in, T& value) {
  return read_struct(in, value);
}
template <class T>
bool read_struct(std::string_view& in, T& value) {
  return std::apply([&](auto&... member) { return (read(in, member) && ...); }, fields(value));
}

template <std::size_t I = 0>
bool read_alternative(std::size_t index, std::string_view& in, speech::EngineEvent& out) {
  if constexpr (I < std::variant_size_v<speech::EngineEvent>) {
    if (index != I) return read_alternative<I + 1>(index, in, out);
    std::variant_alternative_t<I, speech::EngineEvent> news;
    if (!read_struct(in, news)) return false;
    out = std::move(news);
    return true;
  } else {
    return false;
  }
}

struct NewsLine {
  std::string operator()(const speech::PartialText& n) const {
    return fmt::format("words so far in {}: \"{}\"", n.utterance, n.text);
  }
  std::string operator()(const speech::FinalText& n) const {
    return fmt::format("final words {} of {}: \"{}\"", n.flush, n.utterance, n.text);
  }
  std::string operator()(const speech::ListeningFailed& n) const {
    return fmt::format("listening to {} failed: {}", n.utterance, n.error.to_string());
  }
  std::string operator()(const speech::ReplyText& n) const {
    return fmt::format("reply {}: \"{}\"", n.request, n.text);
  }
  std::string operator()(const speech::ReplyDone& n) const {
    std::string line = fmt::format("reply {} is complete{}", n.request, n.cut_short ? ", cut" : "");
    for (const auto& call : n.calls)
      line += fmt::format(", calls {}({})", call.name, call.arguments);
    return line;
  }
  std::string operator()(const speech::ReplyFailed& n) const {
    return fmt::format("reply {} failed: {}", n.request, n.error.to_string());
  }
  std::string operator()(const speech::SpokenAudio& n) const {
    return fmt::format("{} bytes of voice for {}", n.mulaw.size(), n.utterance);
  }
  std::string operator()(const speech::SpeakingDone& n) const {
    return fmt::format("the voice is done with {}", n.utterance);
  }
  std::string operator()(const speech::SpeakingFailed& n) const {
    return fmt::format("the voice failed in {}: {}", n.utterance, n.error.to_string());
  }
  std::string operator()(const speech::ToolResult& n) const {
    return fmt::format("tool {} {}: {}", n.call_id, n.ok ? "answered" : "failed", n.content);
  }
};

}  // namespace

std::string encode_news(const speech::EngineEvent& news) {
  std::string out(1, static_cast<char>(news.index()));
  std::visit([&](const auto& n) { write_struct(out, n); }, news);
  return out;
}

Result<speech::EngineEvent> decode_news(std::string_view bytes) {
  speech::EngineEvent news;
  const auto index = bytes.empty() ? 255U : static_cast<std::uint8_t>(bytes.front());
  if (!bytes.empty()) bytes.remove_prefix(1);
  if (read_alternative(index, bytes, news) && bytes.empty()) return news;
  return Error{Errc::protocol, fmt::format("the tape holds news of unknown kind {}", index)};
}

std::string describe(const speech::EngineEvent& news) {
  return std::visit(NewsLine{}, news);
}

}  // namespace call::flow
