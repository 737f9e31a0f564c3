#include "core/flow/mouth.hpp"

#include <algorithm>
#include <utility>

#include "core/base/strings.hpp"

namespace call::flow {
namespace {

std::int64_t length_ms(const audio::Mulaw& mulaw) {
  return audio::duration_of(mulaw.size()).count();
}

}  // namespace

Mouth::Mouth(const OpenAgent& agent, const Port& port, speech::Speaker& voice,
             speech::Speaker& spare, media::HandlerReport& report, log::Logger log)
    : agent_(agent),
      port_(port),
      voice_(voice),
      spare_(spare),
      report_(report),
      log_(std::move(log)),
      active_(&voice) {}

void Mouth::prepare() {
  if (is_open()) return;
  active_ = &voice_;
  active_->begin(++voice_id_);
  prepared_ = true;
}

void Mouth::begin_attempt(bool interruptible) {
  utterance_.generation = ++generation_;
  utterance_.heard = false;
  utterance_.cut_off = false;
  utterance_.began_ms = -1;
  port_.send(media::BeginSpeech{utterance_.generation, interruptible});
}

void Mouth::open(bool interruptible, std::string_view state) {
  if (!prepared_) prepare();
  prepared_ = false;
  previous_ = std::exchange(utterance_, {});
  previous_.audio.clear();
  base_ms_ = 0;
  base_chars_ = 0;
  utterance_.interruptible = interruptible;
  utterance_.turn = report_.turns.size();
  record::Turn turn;
  turn.who = record::Speaker::agent;
  turn.state = state;
  turn.start_ms = turn.end_ms = port_.clock_ms();
  report_.turns.push_back(std::move(turn));
  begin_attempt(interruptible);
}

bool Mouth::add(std::string_view sentence) {
  if (!is_open() || sentence.empty()) return true;
  const auto most = static_cast<std::size_t>(agent_.max_reply_bytes);
  if (utterance_.text.size() + sentence.size() > most) {
    ++report_.drops["reply_text"];
    log_.warn("the reply is longer than {} bytes: the rest is not said", most);
    return false;
  }
  const auto text = std::string(sentence) + " ";
  utterance_.text += text;
  auto& said = report_.turns[utterance_.turn].text;
  if (!said.empty()) said += ' ';
  said += sentence;
  active_->add(text);
  return true;
}

void Mouth::end() {
  if (!is_open()) return;
  utterance_.text_done = true;
  active_->end();
}

void Mouth::on(speech::SpokenAudio& audio) {
  if (audio.utterance != voice_id_ || utterance_.generation == 0 || prepared_) return;
  for (auto mark : audio.marks) {
    mark.ms += base_ms_;
    mark.chars += base_chars_;
    utterance_.timeline.add(mark);
  }
  utterance_.audio.insert(utterance_.audio.end(), audio.mulaw.begin(), audio.mulaw.end());
  if (utterance_.cut_off || audio.mulaw.empty()) return;
  port_.send(media::AddSpeech{utterance_.generation, std::move(audio.mulaw)});
}

void Mouth::on(const speech::SpeakingDone& done) {
  if (done.utterance != voice_id_ || utterance_.audio_done || prepared_) return;
  utterance_.audio_done = true;
  if (!utterance_.cut_off) port_.send(media::EndSpeech{utterance_.generation});
}

bool Mouth::answered_at(std::int64_t at_ms) const {
  if (utterance_.generation == 0) return false;
  const auto since = utterance_.began_ms < 0 ? 0 : at_ms - utterance_.began_ms;
  const auto heard = utterance_.cut_off ? heard_ms() : utterance_.offset_ms + since;
  const auto left = length_ms(utterance_.audio) - heard;
  if (utterance_.audio_done && left <= turns_.resume_overlap.count()) return true;
  const auto text = trim(utterance_.text);
  if (!text.ends_with('?')) return false;
  const auto before = text.substr(0, text.size() - 1).find_last_of(".!?");
  const auto question = before == std::string_view::npos ? 0 : before + 1;
  const auto middle = question + (text.size() - question) / 2;
  return utterance_.timeline.chars_at(heard, text.size()) >= middle;
}

/// The spare voice says what the other one has not said.
void Mouth::on(const speech::SpeakingFailed& failed) {
  if (failed.utterance != voice_id_ || active_ == &spare_) return;
  ++voice_failures_;
  log_.warn("the voice failed, the spare one goes on: {}", failed.error.to_string());
  active_ = &spare_;
  spare_.begin(++voice_id_);
  if (prepared_ || utterance_.generation == 0) return;
  base_ms_ = length_ms(utterance_.audio);
  base_chars_ = utterance_.timeline.chars_at(base_ms_, utterance_.text.size());
  // A word that the other voice may have broken off is said again.
  const auto space =
      base_chars_ == 0 ? std::string::npos : utterance_.text.rfind(' ', base_chars_ - 1);
  base_chars_ = space == std::string::npos ? 0 : space + 1;
  const auto rest = std::string_view(utterance_.text).substr(base_chars_);
  if (!rest.empty()) spare_.add(rest);
  if (utterance_.text_done) spare_.end();
}

void Mouth::note_heard(const Utterance& utterance, std::int64_t heard_ms) {
  auto& turn = report_.turns[utterance.turn];
  turn.heard_ms = std::max(turn.heard_ms, heard_ms);
  turn.heard_text = utterance.timeline.heard(utterance.text, turn.heard_ms);
}

std::int64_t Mouth::heard_ms() const {
  return utterance_.generation == 0 ? 0 : report_.turns[utterance_.turn].heard_ms;
}

std::string Mouth::heard_text() const {
  return utterance_.generation == 0 ? std::string() : report_.turns[utterance_.turn].heard_text;
}

bool Mouth::on(const media::Heard& event) {
  if (event.generation == previous_.generation && previous_.generation != 0) {
    note_heard(previous_, previous_.offset_ms + event.heard_ms);
    auto& turn = report_.turns[previous_.turn];
    if (event.complete) turn.heard_text = turn.text;
    turn.end_ms = event.at_ms;
  }
  if (event.generation != utterance_.generation || utterance_.generation == 0) return false;
  auto& turn = report_.turns[utterance_.turn];
  if (utterance_.cut_off) {
    note_heard(utterance_, utterance_.offset_ms + event.heard_ms);
    return false;
  }
  if (turn.heard_ms == 0) turn.start_ms = event.at_ms - event.heard_ms;
  if (utterance_.began_ms < 0) utterance_.began_ms = event.at_ms - event.heard_ms;
  turn.end_ms = event.at_ms;
  note_heard(utterance_, utterance_.offset_ms + event.heard_ms);
  if (!event.complete) return false;
  utterance_.heard = true;
  turn.interrupted = false;
  turn.heard_text = turn.text;
  return true;
}

void Mouth::cut(std::int64_t heard_ms) {
  if (utterance_.generation == 0) return;
  utterance_.cut_off = true;
  auto& turn = report_.turns[utterance_.turn];
  turn.interrupted = true;
  turn.end_ms = port_.clock_ms();
  note_heard(utterance_, heard_ms);
}

void Mouth::cut_now() {
  if (!speaking()) return;
  port_.send(media::CancelSpeech{});
  const auto since = utterance_.began_ms < 0 ? 0 : port_.clock_ms() - utterance_.began_ms;
  cut(std::min(utterance_.offset_ms + since, length_ms(utterance_.audio)));
}

bool Mouth::cut_by(const media::BargedIn& event) {
  if (!speaking()) return false;
  if (event.last_cut_off < generation_) port_.send(media::CancelSpeech{});
  const bool ours = event.generation == generation_;
  cut(ours ? utterance_.offset_ms + event.heard_ms : utterance_.offset_ms);
  return true;
}

void Mouth::resume() {
  if (!utterance_.cut_off) return;
  ++report_.false_barge_ins;
  ++utterance_.resumes;
  const auto from = std::max<std::int64_t>(heard_ms() - turns_.resume_overlap.count(), 0);
  log_.debug("resumes after {} ms", from);
  utterance_.offset_ms = from;
  begin_attempt(utterance_.interruptible && utterance_.resumes < turns_.max_resumes);
  const auto at =
      std::min(audio::samples_in(std::chrono::milliseconds(from)), utterance_.audio.size());
  audio::Mulaw rest(utterance_.audio.begin() + static_cast<std::ptrdiff_t>(at),
                    utterance_.audio.end());
  if (!rest.empty()) port_.send(media::AddSpeech{utterance_.generation, std::move(rest)});
  if (utterance_.audio_done) port_.send(media::EndSpeech{utterance_.generation});
}

void Mouth::drop() {
  if (utterance_.generation == 0) return;
  active_->cancel();
  ++voice_id_;  // what it still tells is nobody's
  prepared_ = false;
  utterance_.text_done = utterance_.audio_done = true;
  utterance_.heard = true;
  utterance_.cut_off = false;
  utterance_.audio.clear();
}

}  // namespace call::flow
