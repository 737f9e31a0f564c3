#include "core/runtime/thread_name.hpp"

#include <pthread.h>

#include <string>

#include "core/base/assert.hpp"

namespace call::runtime {

void name_this_thread(std::string_view name) {
  CALL_ASSERT(name.size() <= 15);
  CALL_ASSERT(pthread_setname_np(pthread_self(), std::string(name).c_str()) == 0);
}

}  // namespace call::runtime
