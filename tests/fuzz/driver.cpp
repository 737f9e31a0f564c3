// Feeds a parser its seeds, then damaged ones, and keeps what goes a new way through the code to
// damage it further (in builds that can tell, see coverage.hpp). Each run has a seed of its own, which
// it prints; the same seed and number of runs are the same inputs.
//
//   fuzz_NAME [--runs N] [--seconds N] [--seed N] [--corpus DIR]
//   fuzz_NAME FILE...
//
// DIR: inputs to begin with, and where those that were kept go. FILE: feeds just these, to see a
// failure again. An input that ends the program, or takes longer than 20 s, is written to
// fuzz_NAME.failed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/crypto/hash.hpp"
#include "tests/fuzz/coverage.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostBytes = 8192;
constexpr unsigned kSlowSeconds = 20;

struct Options {
  std::uint64_t runs = 20000;
  std::optional<std::chrono::seconds> time;
  std::uint64_t seed = std::random_device{}();
  std::string corpus;
  std::vector<std::string> files;
};

// What the parser is fed with at the moment, for the signal handler.
std::string_view current;
std::string failed_name;

void on_end(int number) {
  const int fd = ::open(failed_name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd >= 0 && ::write(fd, current.data(), current.size()) >= 0) {
    constexpr std::string_view kText = "the input is in ";
    [[maybe_unused]] auto written = ::write(STDERR_FILENO, kText.data(), kText.size());
    written = ::write(STDERR_FILENO, failed_name.data(), failed_name.size());
    written = ::write(STDERR_FILENO, "\n", 1);
  }
  std::signal(number, SIG_DFL);
  ::raise(number);
}

void catch_ends() {
  static std::array<char, 65536> stack;  // a parser may have used up its own
  stack_t other{};
  other.ss_sp = stack.data();
  other.ss_size = stack.size();
  ::sigaltstack(&other, nullptr);
  struct sigaction action {};
  action.sa_handler = on_end;
  action.sa_flags = SA_ONSTACK;
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM})
    ::sigaction(number, &action, nullptr);
}

void feed(std::string_view input) {
  // A copy of exactly this size, so that a sanitizer sees a byte read beyond it.
  const std::vector<char> exact(input.begin(), input.end());
  current = {exact.data(), exact.size()};
  ::alarm(kSlowSeconds);
  call::fuzz::feed(current);
  ::alarm(0);
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string next(const std::vector<std::string>& pool) {
    std::string text = pool[any(pool.size())];
    for (auto changes = 1 + any(6); changes > 0; --changes) change(text, pool);
    if (text.size() > kMostBytes) text.resize(kMostBytes);
    return text;
  }

 private:
  std::size_t any(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  void change(std::string& text, const std::vector<std::string>& pool) {
    static const std::vector<std::string> spice = {
        std::string(1, '\0'),
        "\xff",
        "\x80",
        "\x7f",
        "\"",
        "{",
        "}",
        "[",
        "]",
        "\\u0000",
        "\r\n",
        ",",
        ":",
        "-1",
        "1e308",
        "null",
        "99999999999999999999",
        "\xed\xa0\x80",
        "\xef\xbb\xbf",
        std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8),
        std::string("\0\0\0\1", 4)};
    const auto at = any(text.size() + 1);
    const auto& other = pool[any(pool.size())];
    switch (text.empty() ? 3 + any(2) : any(8)) {
      case 0:
        text[at % text.size()] = static_cast<char>(random_());
        break;
      case 1:
        text[at % text.size()] = static_cast<char>(text[at % text.size()] ^ (1 << any(8)));
        break;
      case 2:
        text.erase(at, 1 + any(16));
        break;
      case 3:
        text.insert(at, spice[any(spice.size())]);
        break;
      case 4:
        text.insert(at, 1, static_cast<char>(random_()));
        break;
      case 5:
        text.insert(at, text.substr(any(text.size()), 1 + any(64)));
        break;
      case 6:
        text = text.substr(0, at) + other.substr(any(other.size() + 1));
        break;
      default:
        text.resize(at);
        break;
    }
  }

  std::mt19937_64 random_;
};

std::vector<std::string> starting_pool(const Options& options) {
  auto pool = call::fuzz::seeds();
  if (options.corpus.empty()) return pool;
  fs::create_directories(options.corpus);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(options.corpus)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files)
    if (auto text = call::read_file(file)) pool.push_back(*std::move(text));
  return pool;
}

void keep(const Options& options, const std::string& input) {
  if (options.corpus.empty()) return;
  const auto name = call::crypto::sha256_hex(input).substr(0, 16);
  if (const auto kept = call::write_file_atomic(fs::path(options.corpus) / name, input, 0644);
      !kept)
    fmt::print(stderr, "{}\n", kept.error().to_string());
}

void fuzz(const Options& options, std::string_view program) {
  fmt::print("{}: seed {}\n", program, options.seed);
  std::fflush(stdout);  // it may end by a signal
  auto pool = starting_pool(options);
  for (const auto& input : pool) {
    call::fuzz::begin_trace();
    feed(input);
    call::fuzz::is_new_trace();
  }
  const auto begun = std::chrono::steady_clock::now();
  const auto more = [&](std::uint64_t done) {
    if (options.time) return std::chrono::steady_clock::now() - begun < *options.time;
    return done < options.runs;
  };
  Mutator mutator(options.seed);
  std::uint64_t runs = 0;
  std::size_t kept = 0;
  for (; more(runs); ++runs) {
    const auto input = mutator.next(pool);
    call::fuzz::begin_trace();
    feed(input);
    if (!call::fuzz::is_new_trace()) continue;
    keep(options, input);
    pool.push_back(input);
    ++kept;
  }
  fmt::print("{}: {} inputs", program, runs);
  if (call::fuzz::edges_seen() > 0)
    fmt::print(", {} edges, {} inputs kept", call::fuzz::edges_seen(), kept);
  fmt::print("\n");
}

std::optional<Options> read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with("--")) {
      options.files.emplace_back(word);
      continue;
    }
    if (++i == argc) return std::nullopt;
    const auto number = call::parse_number<std::uint64_t>(argv[i]);
    if (word == "--corpus") {
      options.corpus = argv[i];
    } else if (!number) {
      return std::nullopt;
    } else if (word == "--runs") {
      options.runs = *number;
    } else if (word == "--seed") {
      options.seed = *number;
    } else if (word == "--seconds") {
      options.time = std::chrono::seconds(*number);
    } else {
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace

// A sanitizer's finding is an abort, so that the input is kept.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "abort_on_error=1:handle_segv=0:detect_stack_use_after_return=1";
}
extern "C" const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() {
  return "abort_on_error=1:halt_on_error=1:print_stacktrace=1";
}

int main(int argc, char** argv) {
  const auto options = read_options(argc, argv);
  if (!options) {
    fmt::print(stderr, "usage: {} [--runs N] [--seconds N] [--seed N] [--corpus DIR] | FILE...\n",
               argv[0]);
    return 2;
  }
  const auto program = fs::path(argv[0]).filename().string();
  failed_name = program + ".failed";
  catch_ends();
  for (const auto& file : options->files) {
    const auto text = call::read_file(file);
    if (!text) {
      fmt::print(stderr, "{}\n", text.error().to_string());
      return 2;
    }
    feed(*text);
  }
  if (options->files.empty()) fuzz(*options, program);
  return 0;
}
