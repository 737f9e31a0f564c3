// Places in the code at which a test may kill the process, stop it or move its clock: see
// tests/chaos. They exist only in the program calld-chaos, which compiles the files that have any a
// second time; in every other build they are nothing at all.
#pragma once

#ifdef CALL_CRASH_POINTS

#include <string_view>

namespace call {

inline constexpr bool kCrashPoints = true;

/// Does what was ordered for this point and subject (a telephone number, a list's name). An empty
/// subject is that of the enclosing CrashSubject. Orders come from
///   CALLD_CRASH_AT=NAME:N        SIGKILL at the N-th time that this process comes by
///   CALLD_CRASH_PLAN=FILE        lines "kill|stop|clock:SECONDS NAME SUBJECT", each carried out once
///                                among all processes; done ones are lines "NUMBER PID" of FILE.fired
void pass_crash_point(std::string_view name, std::string_view subject = {});

/// Names the subject of the points that this thread comes by while it lives.
class CrashSubject {
 public:
  explicit CrashSubject(std::string_view subject);
  ~CrashSubject();
  CrashSubject(const CrashSubject&) = delete;
  CrashSubject& operator=(const CrashSubject&) = delete;
};

/// How far orders have moved this process's clock.
long crash_clock_offset_s();

}  // namespace call

#define CALL_CRASH_POINT(...) ::call::pass_crash_point(__VA_ARGS__)
#define CALL_CRASH_SUBJECT(subject) const ::call::CrashSubject call_crash_subject(subject)

#else

namespace call {
inline constexpr bool kCrashPoints = false;
constexpr long crash_clock_offset_s() {
  return 0;
}
}  // namespace call

#define CALL_CRASH_POINT(...) static_cast<void>(0)
#define CALL_CRASH_SUBJECT(subject) static_cast<void>(0)

#endif
