#include "core/sim/truth.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/audio/wav.hpp"
#include "core/log/log.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kQueue = 10000;
constexpr std::size_t kPortion = 2 * audio::kSampleRate;  ///< 2 s of sound

void warn(const std::filesystem::path& path, std::string_view why) {
  log::Logger("sim").warn("{} could not be written: {}", path.string(), why);
}

}  // namespace

/// Used by the writer's thread only.
struct TruthLog::Files {
  explicit Files(std::filesystem::path where) : folder(std::move(where)) {}
  ~Files() {
    if (events >= 0) ::close(events);
  }

  void append(const std::string& lines, const audio::Mulaw& said, const audio::Mulaw& heard) {
    if (broken || (events < 0 && !open())) return;
    if (::write(events, lines.data(), lines.size()) != static_cast<ssize_t>(lines.size()))
      return fail("the disk took only a part");
    if (said.empty()) return;
    if (!wav) {
      auto created = audio::WavWriter::create(folder / "call.wav",
                                              {audio::WavEncoding::mulaw, 2, audio::kSampleRate});
      if (!created) return fail(created.error().context);
      wav.emplace(std::move(*created));
    }
    const auto written = wav->write(audio::mulaw_decode(said), audio::mulaw_decode(heard));
    if (!written) fail(written.error().context);
  }

  bool open() {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (!error)
      events =
          ::open((folder / "events.jsonl").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (events < 0) fail("the folder cannot be made or written");
    return events >= 0;
  }

  void fail(std::string_view why) {
    if (!std::exchange(broken, true)) warn(folder, why);
  }

  std::filesystem::path folder;
  int events = -1;
  std::optional<audio::WavWriter> wav;
  bool broken = false;
};

TruthWriter::TruthWriter(std::filesystem::path dir)
    : dir_(std::move(dir)), pool_("sim-truth", 1, kQueue) {}

bool TruthWriter::submit(std::function<void()> task) {
  if (pool_.submit(std::move(task))) return true;
  ++lost_;
  return false;
}

TruthLog::TruthLog(TruthWriter& writer, const std::string& call_sid) : writer_(writer) {
  if (writer_.enabled()) files_ = std::make_shared<Files>(writer_.dir() / call_sid);
}

TruthLog::~TruthLog() {
  flush();
}

void TruthLog::event(std::int64_t ms, const char* name, const nlohmann::ordered_json& fields) {
  if (!files_) return;
  nlohmann::ordered_json line{{"ms", ms}, {"event", name}};
  line.update(fields);
  lines_ += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  lines_ += '\n';
}

void TruthLog::event(std::int64_t ms, const char* name) {
  event(ms, name, nlohmann::ordered_json::object());
}

void TruthLog::audio(const audio::MulawFrame& said, const audio::MulawFrame& heard) {
  if (!files_) return;
  said_.insert(said_.end(), said.begin(), said.end());
  heard_.insert(heard_.end(), heard.begin(), heard.end());
  if (said_.size() >= kPortion) flush();
}

void TruthLog::flush() {
  if (!files_ || (lines_.empty() && said_.empty())) return;
  writer_.submit([files = files_, lines = std::exchange(lines_, {}),
                  said = std::exchange(said_, {}),
                  heard = std::exchange(heard_, {})] { files->append(lines, said, heard); });
}

}  // namespace call::sim
