// A neural recogniser that is the operator's, not ours: libvosk (Apache 2.0, vosk_api.h of
// alphacep/vosk-api) and one of its models, both loaded at run time. A program whose agents ask for
// neither loads nothing and lacks nothing.
//
// Threads: a model may be used by any; a VoskRecognizer belongs to one thread at a time and computes in
// its members, never call it on a loop thread. Memory and time are the model's: small ones take some
// 100 MB a process.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/audio/format.hpp"
#include "core/base/result.hpp"
#include "core/speech/vosk_reply.hpp"

namespace call::speech {

struct VoskOptions {
  std::string library = "libvosk.so";  ///< a path, or a name that the loader looks for
  std::filesystem::path model_dir;
};

class VoskModel {
 public:
  /// Errc::not_found: there is no such library, it is none of Vosk's, or it finds no model in the
  /// directory; Errc::invalid_argument: the model is not for telephones. The text says what to do.
  /// Blocks, for seconds with a large model.
  static Result<std::shared_ptr<const VoskModel>> load(const VoskOptions& options);
  ~VoskModel();
  VoskModel(const VoskModel&) = delete;
  VoskModel& operator=(const VoskModel&) = delete;

 private:
  friend class VoskRecognizer;
  struct Api;
  VoskModel(std::shared_ptr<const Api> api, void* handle);
  static Status try_out(const std::shared_ptr<const VoskModel>& model);
  const std::shared_ptr<const Api> api_;
  void* const handle_;
};

class VoskRecognizer {
 public:
  /// Errc::internal when the library refuses.
  static Result<std::unique_ptr<VoskRecognizer>> create(std::shared_ptr<const VoskModel> model);
  ~VoskRecognizer();
  VoskRecognizer(const VoskRecognizer&) = delete;
  VoskRecognizer& operator=(const VoskRecognizer&) = delete;

  /// What has been said since the last final reply; final when Vosk itself found an end. Words' times
  /// count from the first sample that was ever pushed. Errc::internal: the library failed.
  Result<VoskReply> push(audio::PcmView pcm);
  /// The same, and final.
  Result<VoskReply> finish();
  /// What was pushed since the last final reply is nobody's.
  void forget();

 private:
  VoskRecognizer(std::shared_ptr<const VoskModel> model, void* handle);
  const std::shared_ptr<const VoskModel> model_;
  void* const handle_;
};

}  // namespace call::speech
