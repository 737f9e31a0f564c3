#include "core/speech/vosk.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "core/base/affinity.hpp"

namespace call::speech {

/// The functions of vosk_api.h that we use; its opaque types are void here.
struct VoskModel::Api {
  void (*set_log_level)(int) = nullptr;
  void* (*model_new)(const char* dir) = nullptr;
  void (*model_free)(void*) = nullptr;
  void* (*recognizer_new)(void* model, float sample_rate) = nullptr;
  void (*recognizer_set_words)(void*, int) = nullptr;
  int (*recognizer_accept)(void*, const short*, int samples) = nullptr;
  const char* (*recognizer_result)(void*) = nullptr;
  const char* (*recognizer_partial_result)(void*) = nullptr;
  const char* (*recognizer_final_result)(void*) = nullptr;
  void (*recognizer_reset)(void*) = nullptr;
  void (*recognizer_free)(void*) = nullptr;
};

namespace {

constexpr const char* kRemedy =
    "install Vosk's library (the wheel \"vosk\" on PyPI holds one) and name it in extra.library, "
    "or "
    "choose another listener";

template <class Function>
bool find(void* library, const char* name, Function*& function) {
  // The cast that dlsym(3) asks for.
  *reinterpret_cast<void**>(&function) = dlsym(library, name);
  return function != nullptr;
}

}  // namespace

/// Most small models are made for 16 kHz and refuse less at the first sample.
Status VoskModel::try_out(const std::shared_ptr<const VoskModel>& model) {
  CALL_TRY(const auto recognizer, VoskRecognizer::create(model));
  const audio::Pcm silence(audio::kFrameSamples, 0);
  if (recognizer->push(silence)) return {};
  return Error{Errc::invalid_argument,
               "the model takes no audio of 8 kHz, which is what telephones have; add "
               "--allow-upsample=true to its conf/mfcc.conf, or take one that does"};
}

Result<std::shared_ptr<const VoskModel>> VoskModel::load(const VoskOptions& options) {
  assert_may_block("VoskModel::load");
  // Never closed: its threads and statics may outlive every model.
  void* library = dlopen(options.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Error{Errc::not_found,
                 fmt::format("cannot load Vosk's library: {}; {}", dlerror(), kRemedy)};
  }
  auto api = std::make_shared<Api>();
  const bool whole =
      find(library, "vosk_set_log_level", api->set_log_level) &&
      find(library, "vosk_model_new", api->model_new) &&
      find(library, "vosk_model_free", api->model_free) &&
      find(library, "vosk_recognizer_new", api->recognizer_new) &&
      find(library, "vosk_recognizer_set_words", api->recognizer_set_words) &&
      find(library, "vosk_recognizer_accept_waveform_s", api->recognizer_accept) &&
      find(library, "vosk_recognizer_result", api->recognizer_result) &&
      find(library, "vosk_recognizer_partial_result", api->recognizer_partial_result) &&
      find(library, "vosk_recognizer_final_result", api->recognizer_final_result) &&
      find(library, "vosk_recognizer_reset", api->recognizer_reset) &&
      find(library, "vosk_recognizer_free", api->recognizer_free);
  if (!whole) {
    return Error{Errc::not_found, fmt::format("{} is no library of Vosk's: {}; {}", options.library,
                                              dlerror(), kRemedy)};
  }
  api->set_log_level(-1);  // it writes to standard error by itself
  std::error_code error;
  void* model = std::filesystem::is_directory(options.model_dir, error)
                    ? api->model_new(options.model_dir.c_str())
                    : nullptr;
  if (model == nullptr) {
    return Error{Errc::not_found, fmt::format("Vosk finds no model in \"{}\"; unpack one of "
                                              "https://alphacephei.com/vosk/models there",
                                              options.model_dir.string())};
  }
  std::shared_ptr<const VoskModel> loaded(new VoskModel(std::move(api), model));
  CALL_CHECK(try_out(loaded).with_context(options.model_dir.string()));
  return loaded;
}

VoskModel::VoskModel(std::shared_ptr<const Api> api, void* handle)
    : api_(std::move(api)), handle_(handle) {}

VoskModel::~VoskModel() {
  api_->model_free(handle_);
}

Result<std::unique_ptr<VoskRecognizer>> VoskRecognizer::create(
    std::shared_ptr<const VoskModel> model) {
  const auto& api = *model->api_;
  void* handle = api.recognizer_new(model->handle_, static_cast<float>(audio::kSampleRate));
  if (handle == nullptr) return Error{Errc::internal, "Vosk makes no recogniser"};
  api.recognizer_set_words(handle, 1);
  return std::unique_ptr<VoskRecognizer>(new VoskRecognizer(std::move(model), handle));
}

VoskRecognizer::VoskRecognizer(std::shared_ptr<const VoskModel> model, void* handle)
    : model_(std::move(model)), handle_(handle) {}

VoskRecognizer::~VoskRecognizer() {
  model_->api_->recognizer_free(handle_);
}

Result<VoskReply> VoskRecognizer::push(audio::PcmView pcm) {
  static_assert(sizeof(short) == sizeof(audio::Pcm::value_type));
  const auto& api = *model_->api_;
  if (pcm.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    return Error{Errc::limit, "more audio than Vosk takes at once"};
  const int ended = api.recognizer_accept(handle_, pcm.data(), static_cast<int>(pcm.size()));
  if (ended < 0) return Error{Errc::internal, "Vosk failed while it listened"};
  return parse_vosk(ended > 0 ? api.recognizer_result(handle_)
                              : api.recognizer_partial_result(handle_));
}

Result<VoskReply> VoskRecognizer::finish() {
  return parse_vosk(model_->api_->recognizer_final_result(handle_));
}

void VoskRecognizer::forget() {
  model_->api_->recognizer_reset(handle_);
}

}  // namespace call::speech
