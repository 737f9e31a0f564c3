# Compile options that every target of the project shares (never third-party code).
add_library(call_options INTERFACE)
target_compile_features(call_options INTERFACE cxx_std_20)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# -Wnull-dereference, -Wmaybe-uninitialized and -Wrestrict are left out: false positives in g++ 12.
target_compile_options(call_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wformat=2 -Wimplicit-fallthrough
  -Wno-maybe-uninitialized -Wno-restrict
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond> $<$<CXX_COMPILER_ID:GNU>:-Wlogical-op>
  $<$<BOOL:${CALL_WERROR}>:-Werror>)
target_compile_definitions(call_options INTERFACE _GLIBCXX_ASSERTIONS BOOST_ASIO_NO_DEPRECATED
  # Debian 12 ships Boost's JSON, URL and coroutine headers too; the project uses callbacks only.
  BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_include_directories(call_options INTERFACE ${CMAKE_SOURCE_DIR})

if(CALL_SANITIZE)
  target_compile_options(call_options INTERFACE -fsanitize=${CALL_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(call_options INTERFACE -fsanitize=${CALL_SANITIZE})
  if(CALL_SANITIZE MATCHES "thread")
    target_compile_options(call_options INTERFACE -Wno-tsan)
  endif()
endif()

if(CALL_FUZZ)
  # The fuzzers' feedback: tests/fuzz/coverage.cpp is what the compiler's calls lead to.
  target_compile_options(call_options INTERFACE -fsanitize-coverage=trace-pc)
endif()

# Beast translation units need 0.8 GB each: one at a time beside the light ones.
set_property(GLOBAL PROPERTY JOB_POOLS heavy=1)
