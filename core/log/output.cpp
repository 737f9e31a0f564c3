// The only user of spdlog, and only of its asynchronous queue: a bounded ring that drops the oldest
// entry when the output cannot keep up, so that a full disk or a stopped terminal never holds up a
// call. Lines are formatted by the thread that logs; the log thread only writes.
#include "core/log/output.hpp"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "core/base/guarded.hpp"

namespace call::log {
namespace {

void write_fully(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nowhere left to complain
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

class FdSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FdSink(int fd) : fd_(fd) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    write_fully(fd_, {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

 private:
  int fd_;
};

}  // namespace

struct Session::Backend {
  Backend(LineStyle line_style, int fd, std::size_t queue_lines)
      : style(line_style),
        pool(std::make_shared<spdlog::details::thread_pool>(queue_lines, 1)),
        logger(
            std::make_shared<spdlog::async_logger>("calld", std::make_shared<FdSink>(fd), pool,
                                                   spdlog::async_overflow_policy::overrun_oldest)) {
    logger->set_level(spdlog::level::trace);
  }

  LineStyle style;
  std::shared_ptr<spdlog::details::thread_pool> pool;  // its end drains the queue and joins
  std::shared_ptr<spdlog::async_logger> logger;
};

namespace {

// The current Session's backend; weak, so that the Session alone decides when the queue is drained.
Guarded<std::weak_ptr<Session::Backend>>& current() {
  static Guarded<std::weak_ptr<Session::Backend>> backend;
  return backend;
}

std::shared_ptr<Session::Backend> current_backend() {
  return current().with([](const auto& weak) { return weak.lock(); });
}

}  // namespace

void write_line(const Line& line) {
  const auto backend = current_backend();
  if (!backend) return write_fully(STDERR_FILENO, format_line(choose_style(Format::text, 2), line));
  const std::string text = format_line(backend->style, line);
  backend->logger->log(spdlog::level::info, spdlog::string_view_t(text.data(), text.size()));
}

Session::Session(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}
Session::Session(Session&&) noexcept = default;

Session::~Session() {
  if (!backend_) return;
  current().with([](auto& weak) { weak.reset(); });
}

Result<Session> setup(const Options& options) {
  CALL_CHECK(set_levels(options.levels));
  set_show_numbers(options.show_numbers);
  auto backend = std::make_shared<Session::Backend>(choose_style(options.format, options.fd),
                                                    options.fd, options.queue_lines);
  current().with([&](auto& weak) { weak = backend; });
  return Session(std::move(backend));
}

std::uint64_t dropped_lines() {
  const auto backend = current_backend();
  return backend ? backend->pool->overrun_counter() : 0;
}

}  // namespace call::log
