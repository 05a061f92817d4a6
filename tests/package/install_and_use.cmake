# Steps of the test package.find_package; a step that fails ends it with the command's output.
cmake_minimum_required(VERSION 3.25)

set(work ${BUILD}/package-test)
set(installed ${work}/installed)
set(moved ${work}/moved)
file(REMOVE_RECURSE ${work})

function(step name)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${name} failed (${result}): ${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect name pattern)
  if(NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "${name} printed\n${output}which does not match ${pattern}")
  endif()
endfunction()

step("install" ${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --prefix ${installed})
# A package that depends on its install path fails from here on.
file(RENAME ${installed} ${moved})

set(flags "")
if(SANITIZER)
  set(flags "-fsanitize=${SANITIZER}")
endif()
string(REGEX MATCH "^[0-9]+\\.[0-9]+" series ${VERSION})
step("configure" ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${work}/build
     -DCMAKE_BUILD_TYPE=${CONFIG} -DCMAKE_PREFIX_PATH=${moved} -DATTNJIT_SERIES=${series}
     -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_CXX_COMPILER=${CXX_COMPILER}
     -DCMAKE_C_FLAGS=${flags} -DCMAKE_CXX_FLAGS=${flags})
file(READ ${work}/build/CMakeCache.txt cache)
string(FIND "${cache}" "attnjit_DIR:PATH=${moved}/" position)
if(position EQUAL -1)
  message(FATAL_ERROR "find_package(attnjit) took another installation than ${moved}")
endif()
step("build" ${CMAKE_COMMAND} --build ${work}/build --config ${CONFIG})

step("C++ program" ${work}/build/consumer_cpp)
expect("C++ program" "attnjit ${VERSION} for sm_90a\n")
step("C program" ${work}/build/consumer_c)
expect("C program" "attnjit ${VERSION} for sm_90a\n")
if(TOOLS)
  step("attnjit --version" ${moved}/bin/attnjit --version)
  expect("attnjit --version" "${VERSION}")
endif()
if(NOT EXISTS ${moved}/share/licenses/attnjit/LICENSE)
  message(FATAL_ERROR "the licence was not installed")
endif()
file(REMOVE_RECURSE ${work})
