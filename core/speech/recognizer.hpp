// Speech to text for scripted telephone dialogues: PocketSphinx with a language model of the
// agent's own phrases, fed with 8 kHz audio through a learned map to wide-band cepstra. English,
// quiet lines, short answers.
//
// Threads: a Recognizer belongs to one thread at a time (a call's handler thread) and computes in
// push() and finish(), about 3 to 5 % of the audio's time; never call it on a loop thread.
// PhraseModel and RecognizerPool are thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/audio/format.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/speech/phrases.hpp"
#include "core/speech/timed_word.hpp"

namespace call::speech {

struct PhraseModelOptions {
  /// Directory of the acoustic model and dictionary (Debian: pocketsphinx-en-us).
  std::filesystem::path model_dir = "/usr/share/pocketsphinx/model/en-us";
  std::size_t sentences_per_template = 200;
};

/// The language model and dictionary of one agent, built in memory; immutable. Keep one per agent
/// and process.
class PhraseModel {
 public:
  /// Some 50 ms of work. Errc::invalid_argument for a faulty template or a word that the dictionary
  /// lacks (all of them are named), Errc::not_found without the acoustic model.
  static Result<std::shared_ptr<const PhraseModel>> build(const PhraseBook& book,
                                                          const PhraseModelOptions& options = {});
  ~PhraseModel();
  PhraseModel(const PhraseModel&) = delete;
  PhraseModel& operator=(const PhraseModel&) = delete;

  std::size_t words() const noexcept { return words_; }

 private:
  friend class Recognizer;
  PhraseModel() = default;

  std::filesystem::path model_dir_;
  int language_model_fd_ = -1;  ///< memfd: nothing to clean up after a crash
  int dictionary_fd_ = -1;
  std::size_t words_ = 0;
};

struct Transcript {
  std::string text;  ///< words separated by one space; empty: nothing was recognised
  double confidence =
      0;  ///< 0 to 1: how well the words explain the sound; strangers to the model score low
  bool accepted = false;  ///< there is text and its confidence reaches Recognizer::kLeastConfidence
  std::vector<TimedWord> words;        ///< those of `text`, to 10 ms, in the audio that was pushed
  std::chrono::milliseconds audio{0};  ///< how much was pushed
  std::chrono::microseconds finish_time{0};  ///< what finish() took
};

class Recognizer {
 public:
  static constexpr double kLeastConfidence = 0.5;
  static constexpr std::chrono::milliseconds kMaxUtterance{30000};

  /// Loads a decoder: 15 ms, 7 MB. Blocks.
  static Result<std::unique_ptr<Recognizer>> create(std::shared_ptr<const PhraseModel> model);
  ~Recognizer();

  /// Forgets what was learnt of the last caller's voice and line, so that a call does not depend on
  /// the one before. The pool does this at checkout.
  void new_caller();
  /// Begins an utterance; one that is open is dropped.
  void start();
  /// 8 kHz audio of the open utterance (only between start and finish), any amount: push while the
  /// caller still speaks, so that finish() is quick. Audio beyond kMaxUtterance is ignored.
  void push(audio::PcmView pcm);
  /// Ends the utterance and says what it was. 1 to 5 ms; 5 % of the audio's time more when the
  /// result is doubtful.
  Transcript finish();
  /// Drops the open utterance.
  void cancel();

 private:
  struct Impl;
  explicit Recognizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Decoders for use by many calls. They are kept per phrase model and lent for an utterance or a
/// call; `max` bounds how many exist at once, idle ones of other models give way.
class RecognizerPool {
 public:
  explicit RecognizerPool(std::size_t max);
  ~RecognizerPool();

  /// A borrowed recognizer; goes back to the pool when destroyed. Must not outlive the pool.
  class Lease {
   public:
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();
    Recognizer* operator->() const { return recognizer_.get(); }
    Recognizer& operator*() const { return *recognizer_; }

   private:
    friend class RecognizerPool;
    Lease(RecognizerPool* pool, std::shared_ptr<const PhraseModel> model,
          std::unique_ptr<Recognizer> recognizer);
    RecognizerPool* pool_ = nullptr;
    std::shared_ptr<const PhraseModel> model_;
    std::unique_ptr<Recognizer> recognizer_;
  };

  /// Blocks until one is free; Errc::timeout at the deadline. Thread-safe; never on a loop thread.
  Result<Lease> checkout(const std::shared_ptr<const PhraseModel>& model, Deadline deadline);
  std::size_t existing() const;  ///< lent and idle
  std::size_t idle() const;

 private:
  struct Impl;
  void give_back(const std::shared_ptr<const PhraseModel>& model,
                 std::unique_ptr<Recognizer> recognizer);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::speech
