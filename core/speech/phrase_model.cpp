#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/speech/language_model.hpp"
#include "core/speech/recognizer.hpp"

namespace call::speech {
namespace {

Result<int> memory_file(const char* name, std::string_view bytes) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) return Error{Errc::io, std::string("memfd_create: ") + std::strerror(errno)};
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ::close(fd);
      return Error{Errc::io, std::string("writing a memory file: ") + std::strerror(errno)};
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return fd;
}

}  // namespace

PhraseModel::~PhraseModel() {
  if (language_model_fd_ >= 0) ::close(language_model_fd_);
  if (dictionary_fd_ >= 0) ::close(dictionary_fd_);
}

Result<std::shared_ptr<const PhraseModel>> PhraseModel::build(const PhraseBook& book,
                                                              const PhraseModelOptions& options) {
  assert_may_block("speech::PhraseModel::build");
  const auto acoustic = options.model_dir / "en-us" / "mdef";
  std::error_code ignored;
  if (!std::filesystem::exists(acoustic, ignored)) {
    return Error{Errc::not_found, "no acoustic model in " + options.model_dir.string() +
                                      "; install Debian's package pocketsphinx-en-us"};
  }
  CALL_TRY(const auto trees, parse(book));
  const LanguageModel language(sample_sentences(trees, options.sentences_per_template));
  CALL_TRY(const std::string all_words, read_file(options.model_dir / "cmudict-en-us.dict"));
  std::vector<std::string> missing;
  const std::string dictionary = cut_dictionary(all_words, language.vocabulary(), missing);
  if (!missing.empty()) {
    return Error{Errc::invalid_argument,
                 "words that the dictionary cannot pronounce: " + join(missing, ", ")};
  }
  std::shared_ptr<PhraseModel> model(new PhraseModel);
  model->model_dir_ = options.model_dir;
  model->words_ = language.vocabulary().size();
  CALL_TRY(model->language_model_fd_, memory_file("calld-lm", language.to_arpa()));
  CALL_TRY(model->dictionary_fd_, memory_file("calld-dict", dictionary));
  return std::shared_ptr<const PhraseModel>(std::move(model));
}

}  // namespace call::speech
