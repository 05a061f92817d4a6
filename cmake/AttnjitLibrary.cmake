# Builds two libraries from the rooms: attnjit (installed; only the public API is visible) and attnjit_internal (static,
# everything visible; for the command, the tests and the benchmarks).
include(GNUInstallDirs)
get_property(rooms GLOBAL PROPERTY ATTNJIT_ROOMS)
get_property(links GLOBAL PROPERTY ATTNJIT_LINKS)
list(REMOVE_DUPLICATES links)
set(objects "")
foreach(room IN LISTS rooms)
  list(APPEND objects $<TARGET_OBJECTS:${room}>)
endforeach()

add_library(attnjit_internal STATIC ${objects})
target_link_libraries(attnjit_internal PUBLIC attnjit_options ${links})
set_target_properties(attnjit_internal PROPERTIES LINKER_LANGUAGE CXX)

add_library(attnjit ${objects})
add_library(attnjit::attnjit ALIAS attnjit)
set_target_properties(attnjit PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION 0)
target_include_directories(attnjit PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                          $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(attnjit PUBLIC cxx_std_20)
target_link_libraries(attnjit PUBLIC dlpack::dlpack PRIVATE $<BUILD_INTERFACE:attnjit_options>)
foreach(link IN LISTS links)
  target_link_libraries(attnjit PRIVATE $<BUILD_INTERFACE:${link}>)
endforeach()
if(BUILD_SHARED_LIBS)
  # Hides the symbols of static archives (SQLite), so that they do not clash with a host's own copies.
  target_link_options(attnjit PRIVATE -Wl,--exclude-libs,ALL)
  set(exports ${CMAKE_CURRENT_LIST_DIR}/exports.map)
  target_link_options(attnjit PRIVATE -Wl,--version-script=${exports})
  set_property(TARGET attnjit APPEND PROPERTY LINK_DEPENDS ${exports})
endif()
