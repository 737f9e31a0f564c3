// A fake of a foreign library's ABI: the functions of vosk_api.h that core/speech/vosk.cpp calls, so
// that loading and calling them is tested without Vosk and its models. It recognises nothing: each
// final result is the next line of says.txt in the model's directory, its words spread evenly over the
// audio since the last one. A sample of -32768 makes it fail, and so does audio of less than 16 kHz if
// the first line is "16000".
#include <algorithm>
#include <cstddef>
#include <deque>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Model {
  std::vector<std::string> lines;
};

struct Recognizer {
  std::deque<std::string> lines;
  double rate = 0;
  bool words = false;
  std::size_t samples = 0;  ///< ever
  std::size_t from = 0;     ///< behind the last final
  std::string reply;
};

std::string final_of(Recognizer& r, const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  std::ostringstream out;
  out << R"({"text" : ")" << line << '"';
  if (r.words && !words.empty()) {
    out << R"(, "result" : [)";
    const double step = static_cast<double>(r.samples - r.from) / static_cast<double>(words.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      const double start = (static_cast<double>(r.from) + step * static_cast<double>(i)) / r.rate;
      out << (i > 0 ? "," : "") << R"({"conf" : 0.75, "start" : )" << start << R"(, "end" : )"
          << start + step / r.rate << R"(, "word" : ")" << words[i] << "\"}";
    }
    out << "]";
  }
  out << "}";
  r.from = r.samples;
  return out.str();
}

const char* say(Recognizer& r, std::string reply) {
  r.reply = std::move(reply);
  return r.reply.c_str();
}

}  // namespace

extern "C" {

void vosk_set_log_level(int) {}

void* vosk_model_new(const char* dir) {
  std::ifstream file(std::string(dir) + "/says.txt");
  if (!file) return nullptr;
  auto* model = new Model;
  for (std::string line; std::getline(file, line);) model->lines.push_back(line);
  return model;
}
void vosk_model_free(void* model) {
  delete static_cast<Model*>(model);
}

void* vosk_recognizer_new(void* model, float rate) {
  auto* recognizer = new Recognizer;
  const auto& lines = static_cast<Model*>(model)->lines;
  recognizer->lines.assign(lines.begin(), lines.end());
  recognizer->rate = static_cast<double>(rate);
  return recognizer;
}
void vosk_recognizer_free(void* recognizer) {
  delete static_cast<Recognizer*>(recognizer);
}
void vosk_recognizer_set_words(void* recognizer, int words) {
  static_cast<Recognizer*>(recognizer)->words = words != 0;
}

int vosk_recognizer_accept_waveform_s(void* recognizer, const short* data, int length) {
  auto& r = *static_cast<Recognizer*>(recognizer);
  if (!r.lines.empty() && r.lines.front() == "16000" && r.rate < 16000) return -1;
  if (std::find(data, data + length, -32768) != data + length) return -1;
  r.samples += static_cast<std::size_t>(length);
  // As Vosk does, it finds an end by itself: behind two seconds.
  return static_cast<double>(r.samples - r.from) >= 2 * r.rate ? 1 : 0;
}
const char* vosk_recognizer_result(void* recognizer) {
  auto& r = *static_cast<Recognizer*>(recognizer);
  if (r.samples == r.from || r.lines.empty()) return say(r, final_of(r, ""));
  const auto line = r.lines.front();
  r.lines.pop_front();
  return say(r, final_of(r, line));
}
const char* vosk_recognizer_final_result(void* recognizer) {
  return vosk_recognizer_result(recognizer);
}
const char* vosk_recognizer_partial_result(void* recognizer) {
  auto& r = *static_cast<Recognizer*>(recognizer);
  const auto line = r.lines.empty() ? std::string() : r.lines.front();
  return say(r, R"({"partial" : ")" + line.substr(0, line.find(' ')) + "\"}");
}
void vosk_recognizer_reset(void* recognizer) {
  auto& r = *static_cast<Recognizer*>(recognizer);
  r.from = r.samples;
}

}  // extern "C"
