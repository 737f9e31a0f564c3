#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/control/control.hpp"
#include "core/control/socket.hpp"
#include "core/log/log.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::control {
namespace {

constexpr std::chrono::seconds kPeerTimeout{2};  // one slow operator must not lock out the next

Json error_answer(const Error& error) {
  return {{"ok", false}, {"error", error.context}, {"code", to_string(error.code)}};
}

Result<Json> run_handler(const Handlers& handlers, std::string_view line) {
  CALL_TRY(const auto request, json::parse(line, {kLineBytesMax, 16}, "the request"));
  CALL_TRY(const auto command, json::get_string(request, "command"));
  const auto found = handlers.find(command);
  if (found == handlers.end()) {
    return Error{Errc::not_found, fmt::format("there is no command \"{}\"", command)};
  }
  return found->second(request);
}

std::string answer_to(const Handlers& handlers, std::string_view line) {
  auto result = run_handler(handlers, line);
  const Json answer =
      result ? Json{{"ok", true}, {"result", *std::move(result)}} : error_answer(result.error());
  std::string text = json::dump(answer);
  CALL_ASSERT(text.size() <= kLineBytesMax);
  return text;
}

// A socket file stays behind when a process is killed. It is ours to replace only if nobody answers.
Result<Fd> listen_over_stale(const std::filesystem::path& path) {
  auto listener = listen_at(path);
  if (listener || listener.error().code != Errc::conflict) return listener;
  if (const auto living = connect_to(path)) {
    return Error{Errc::conflict,
                 fmt::format("{} is in use by pid {}", path.string(), peer_pid(*living))};
  }
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return listen_at(path);
}

}  // namespace

struct Server::State {
  std::filesystem::path path;
  Handlers handlers;
  Fd listener;
  Fd stop;
  std::thread thread;
  log::Logger log{"control"};

  void serve_one() {
    const Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) return;
    const auto deadline = Deadline::after(kPeerTimeout);
    const auto line = read_line(peer, deadline);
    const auto answer = line ? answer_to(handlers, *line) : json::dump(error_answer(line.error()));
    if (const auto sent = write_line(peer, answer, deadline); !sent) {
      log.debug("no answer given to pid {}: {}", peer_pid(peer), sent.error().to_string());
    }
  }

  void run() {
    runtime::name_this_thread("control");
    for (;;) {
      pollfd entries[2] = {{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
      if (::poll(entries, 2, -1) < 0 && errno != EINTR) break;
      if (entries[1].revents != 0) return;
      if (entries[0].revents != 0) serve_one();
    }
    log.error("the control socket {} is dead: {}", path.string(), errno);
  }
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->thread = std::thread([this] { state_->run(); });
}

Server::~Server() {
  const std::uint64_t one = 1;
  CALL_ASSERT(::write(state_->stop.get(), &one, sizeof one) == sizeof one);
  state_->thread.join();
  std::error_code ignored;
  std::filesystem::remove(state_->path, ignored);
}

Result<std::unique_ptr<Server>> Server::listen(const std::filesystem::path& path,
                                               Handlers handlers) {
  handlers.try_emplace("ping", [](const Json&) -> Result<Json> {
    return Json{{"pid", ::getpid()}};
  });
  handlers.try_emplace("log-level", log_level_handler);
  std::error_code made;
  if (std::filesystem::create_directories(path.parent_path(), made)) {
    std::filesystem::permissions(path.parent_path(), std::filesystem::perms::owner_all, made);
  }
  if (made) {
    return Error{Errc::io,
                 fmt::format("cannot make {}: {}", path.parent_path().string(), made.message())};
  }
  CALL_TRY(auto listener, listen_over_stale(path));
  auto state = std::make_unique<State>();
  state->path = path;
  state->handlers = std::move(handlers);
  state->listener = std::move(listener);
  state->stop = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!state->stop) return Error{Errc::io, "cannot make an eventfd"};
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

}  // namespace call::control
