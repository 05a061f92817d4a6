# Precompiled headers: JSON, CLI11 and GoogleTest are most of what the compiler reads for a test or the command.
#
# attnjit_precompiled(NAME [QUICK] HEADERS... LINKS...): a target whose precompiled headers executables reuse through
# attnjit_precompile(). It is an executable itself, because executables are compiled with -fPIE and libraries are not.
function(attnjit_precompiled name)
  cmake_parse_arguments(PCH "QUICK" "" "HEADERS;LINKS" ${ARGN})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "int main() {}  // nothing but precompiled headers\n")
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${PCH_LINKS})
  if(PCH_QUICK)
    attnjit_quick(${name})
  endif()
  list(TRANSFORM PCH_HEADERS REPLACE "(.+)" "<\\1>")
  list(TRANSFORM PCH_HEADERS REPLACE "(.+)" "$<$<COMPILE_LANGUAGE:CXX>:\\1>")
  target_precompile_headers(${name} PRIVATE ${PCH_HEADERS})
endfunction()

# The compiler ignores them, with a -Winvalid-pch warning, if a macro or an option differs from when they were built.
function(attnjit_precompile target name)
  target_precompile_headers(${target} REUSE_FROM ${name})
endfunction()

# Test code runs once per test and is compiled twice per test run: it is not worth optimizing.
function(attnjit_quick target)
  if(ATTNJIT_QUICK_TESTS)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# Nor is the command if only tests run it; CLI11 and JSON make it the slowest part of a build.
set(attnjit_command_quick)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  set(attnjit_command_quick QUICK)
endif()

# Compile options of the command and the benchmark programs.
function(attnjit_command_options target)
  if(attnjit_command_quick)
    attnjit_quick(${target})
  endif()
  attnjit_precompile(${target} attnjit_command_headers)
endfunction()
