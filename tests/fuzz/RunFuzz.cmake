# Runs one fuzz target: cmake -DPROGRAM=... -DSECONDS=... -DSEEDS=... -DFOUND=... -P RunFuzz.cmake. Inputs worth keeping
# go to FOUND, where the next run starts; so does an input that crashes the target.
if(NOT EXISTS ${PROGRAM})
  message("NOT RUN: ${PROGRAM} was not built, for want of a clang++ with libFuzzer (packages clang and libclang-rt-dev)")
  return()
endif()
file(MAKE_DIRECTORY ${FOUND})
execute_process(
  COMMAND ${PROGRAM} -max_total_time=${SECONDS} -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1
          -verbosity=1 -artifact_prefix=${FOUND}/ ${FOUND} ${SEEDS}
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the fuzz target failed; the input is a file of ${FOUND} with crash, oom or timeout in its name. Again: ${PROGRAM} FILE")
endif()
