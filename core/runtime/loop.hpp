// An event loop: one named thread that runs one io_context. Objects that belong to a loop are
// touched on its thread only, so they need no locks; other threads reach them by post(). Nothing
// that blocks may run on a loop: the thread has called forbid_blocking_on_this_thread().
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace call::runtime {

class Loop {
 public:
  /// Starts the thread. `name` has at most 15 bytes.
  explicit Loop(std::string name);
  /// stop() and join(); then destroys what was posted and never ran. Not on the loop's own thread.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs `task` on the loop's thread, after everything posted before. Thread-safe, never runs it
  /// inline. A task that throws ends the process. A task posted to a stopped loop is destroyed with
  /// the loop, unrun.
  void post(std::function<void()> task);
  bool on_this_thread() const;
  const std::string& name() const;

  /// Ends the loop after the task that runs now. Thread-safe; may be called twice.
  void stop();
  /// Waits for the thread's end; blocks. May be called twice.
  void join();

  /// For modules that speak Asio themselves.
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::runtime
