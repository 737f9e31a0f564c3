#include "core/base/affinity.hpp"

namespace call {
namespace {
thread_local bool blocking_forbidden = false;
}

void forbid_blocking_on_this_thread() {
  blocking_forbidden = true;
}

void assert_may_block(const char* what) {
  if (blocking_forbidden) assertion_failed(what, "a blocking call on a loop thread", 0);
}

}  // namespace call
