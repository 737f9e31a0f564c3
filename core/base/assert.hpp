// Assertions for programmer errors. CALL_ASSERT is compiled into every build: it prints the place and aborts, and
// the service manager restarts the process. Never for input from outside. CALL_DASSERT is for the media path: it
// is compiled into debug builds only.
#pragma once

namespace call {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define CALL_ASSERT(expr) \
  ((expr) ? static_cast<void>(0) : ::call::assertion_failed(#expr, __FILE__, __LINE__))

#ifdef NDEBUG
#define CALL_DASSERT(expr) static_cast<void>(0)
#else
#define CALL_DASSERT(expr) CALL_ASSERT(expr)
#endif
