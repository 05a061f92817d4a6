# Install rules: the library, its headers, the command, the license, and the package that find_package(attnjit) reads.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

get_target_property(library_type attnjit TYPE)
set(ATTNJIT_STATIC_DEPENDENCIES "")
if(library_type STREQUAL "STATIC_LIBRARY")
  # A shared library contains these itself; a program that links the static one must find them again. The target names
  # used in this build are local to the tree, so each is mapped to its package's name.
  if(ATTNJIT_SELF_CONTAINED)
    set(installed_links "$<LINK_ONLY:SQLite::SQLite3>")
    set(ATTNJIT_STATIC_DEPENDENCIES "Threads;SQLite3")
  else()
    set(installed_links "$<LINK_ONLY:fmt::fmt>;$<LINK_ONLY:SQLite::SQLite3>")
    set(ATTNJIT_STATIC_DEPENDENCIES "Threads;SQLite3;fmt")
  endif()
  list(APPEND installed_links "$<LINK_ONLY:Threads::Threads>" ${CMAKE_DL_LIBS})
  foreach(link IN LISTS installed_links)
    target_link_libraries(attnjit INTERFACE $<INSTALL_INTERFACE:${link}>)
  endforeach()
endif()

install(TARGETS attnjit EXPORT attnjitTargets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/attnjit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/attnjit)
if(ATTNJIT_BUILD_TOOLS)
  install(TARGETS attnjit_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/attnjit)
install(EXPORT attnjitTargets NAMESPACE attnjit:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/attnjitConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/attnjitConfig.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the C++ API; the C ABI has its own number in attnjit.h.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/attnjitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/attnjitConfig.cmake ${PROJECT_BINARY_DIR}/attnjitConfigVersion.cmake
        DESTINATION ${package_dir})
