# attnjit_options: warnings, sanitizers and include root for everything built here.
add_library(attnjit_options INTERFACE)
target_include_directories(attnjit_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include
                           ${PROJECT_SOURCE_DIR}/templates)
target_compile_options(attnjit_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wpedantic>
  $<$<BOOL:${ATTNJIT_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns about overlap inside std::string's own operator+ at -O2 and above (GCC bug 105651).
  target_compile_options(attnjit_options INTERFACE -Wno-restrict)
endif()
if(ATTNJIT_SANITIZER)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The sanitizers' instrumentation makes GCC see uninitialized members inside std::regex (GCC bug 105562).
    target_compile_options(attnjit_options INTERFACE -Wno-maybe-uninitialized)
  endif()
  target_compile_options(attnjit_options INTERFACE -fsanitize=${ATTNJIT_SANITIZER} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(attnjit_options INTERFACE -fsanitize=${ATTNJIT_SANITIZER})
endif()

# attnjit_room(NAME SOURCES... ROOMS... LINKS...): one folder, one OBJECT target named attnjit_NAME. ROOMS are the rooms
# it may include (it inherits their usage requirements), LINKS are packages.
function(attnjit_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;ROOMS;LINKS" ${ARGN})
  add_library(attnjit_${name} OBJECT ${ROOM_SOURCES})
  target_link_libraries(attnjit_${name} PUBLIC attnjit_options ${ROOM_LINKS})
  foreach(room IN LISTS ROOM_ROOMS)
    add_dependencies(attnjit_${name} attnjit_${room})
    target_link_libraries(attnjit_${name} PUBLIC $<TARGET_PROPERTY:attnjit_${room},INTERFACE_LINK_LIBRARIES>)
  endforeach()
  set_property(GLOBAL APPEND PROPERTY ATTNJIT_ROOMS attnjit_${name})
  set_property(GLOBAL APPEND PROPERTY ATTNJIT_LINKS ${ROOM_LINKS})
endfunction()
