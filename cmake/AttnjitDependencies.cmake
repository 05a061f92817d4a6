# All dependencies, through find_package. Only headers of CUDA: libcuda and libnvrtc are opened at run time.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(dlpack REQUIRED)
if(ATTNJIT_BUILD_TOOLS OR ATTNJIT_BUILD_BENCH)
  find_package(CLI11 REQUIRED)
endif()

# cuda.h and nvrtc.h: from the toolkit, or from the folder that scripts/setup fills from the wheels.
find_path(ATTNJIT_CUDA_INCLUDE_DIR cuda.h
          HINTS ENV CUDA_HOME ENV CUDA_PATH
          PATHS /usr/local/cuda
          PATH_SUFFIXES include REQUIRED)
find_path(ATTNJIT_NVRTC_INCLUDE_DIR nvrtc.h
          HINTS ${ATTNJIT_CUDA_INCLUDE_DIR} ENV CUDA_HOME ENV CUDA_PATH
          PATHS /usr/local/cuda
          PATH_SUFFIXES include REQUIRED)
add_library(attnjit_cuda_headers INTERFACE)
target_include_directories(attnjit_cuda_headers SYSTEM INTERFACE
                           ${ATTNJIT_CUDA_INCLUDE_DIR} ${ATTNJIT_NVRTC_INCLUDE_DIR})

if(ATTNJIT_SELF_CONTAINED)
  add_library(attnjit_fmt ALIAS fmt::fmt-header-only)
  find_library(ATTNJIT_SQLITE_STATIC libsqlite3.a REQUIRED)
  add_library(attnjit_sqlite INTERFACE)
  target_include_directories(attnjit_sqlite SYSTEM INTERFACE ${SQLite3_INCLUDE_DIRS})
  target_link_libraries(attnjit_sqlite INTERFACE ${ATTNJIT_SQLITE_STATIC} Threads::Threads m ${CMAKE_DL_LIBS})
else()
  add_library(attnjit_fmt ALIAS fmt::fmt)
  add_library(attnjit_sqlite ALIAS SQLite::SQLite3)
endif()
