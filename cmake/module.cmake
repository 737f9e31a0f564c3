# One module = one directory = one static library = one namespace.
#
#   call_module(rq SOURCES job.cpp worker.cpp DEPENDS redis json LIBS PkgConfig::hiredis HEAVY)
#
# makes call_rq (alias call::rq). DEPENDS names other modules and is public; LIBS are third-party and
# private to the .cpp files (their headers never appear in ours). HEAVY: Beast inside, built one at a time.
function(call_module name)
  cmake_parse_arguments(M "HEAVY" "" "SOURCES;DEPENDS;LIBS" ${ARGN})
  add_library(call_${name} STATIC ${M_SOURCES})
  add_library(call::${name} ALIAS call_${name})
  target_link_libraries(call_${name} PUBLIC call_options fmt::fmt)
  foreach(dep IN LISTS M_DEPENDS)
    target_link_libraries(call_${name} PUBLIC call::${dep})
  endforeach()
  target_link_libraries(call_${name} PRIVATE ${M_LIBS})
  if(M_HEAVY)
    set_property(TARGET call_${name} PROPERTY JOB_POOL_COMPILE heavy)
  endif()
endfunction()

# call_test(rq SOURCES job_test.cpp DEPENDS rq [SERVERS]) makes rq_test, one ctest entry per case.
# SERVERS: the binary starts real PostgreSQL or Redis servers, so it is one ctest entry of its own.
function(call_test name)
  cmake_parse_arguments(T "SERVERS" "" "SOURCES;DEPENDS;LIBS" ${ARGN})
  add_executable(${name}_test ${T_SOURCES})
  target_link_libraries(${name}_test PRIVATE call_options call_catch_main ${T_LIBS})
  foreach(dep IN LISTS T_DEPENDS)
    target_link_libraries(${name}_test PRIVATE call::${dep})
  endforeach()
  if(T_SERVERS)
    add_test(NAME ${name} COMMAND ${name}_test --use-colour no)
    set_tests_properties(${name} PROPERTIES LABELS integration TIMEOUT 300)
  else()
    catch_discover_tests(${name}_test TEST_PREFIX "" PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endfunction()
