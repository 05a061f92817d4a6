// What the host code of a build launches, as digests (made by tests/launches). The report of a GPU run keeps the
// digests of the build that ran, and so vouches for every later build that launches the same.
#pragma once

#include <map>
#include <string>

#include "tests/gpu/report_file.h"

namespace attnjit::gpu_tests {

struct Recording {
  std::map<std::string, std::string> calls;     // call name -> 16 hex digits over everything that the call launches
  std::map<std::string, std::string> families;  // over all launches of a kernel family, in the order of their calls
  std::string sources;                          // host_digest() of the recorded build
};

/// Throws std::runtime_error that names the path.
void write_recording(const std::string& path, const Recording& recording);
/// Also throws if the recording is of host files other than this program's.
Recording read_recording(const std::string& path);

/// Adds the digests to the report: "launch_digest" of each family that ran, and "launches" of all calls.
void add_recording(Json& report, const Recording& recording);

}  // namespace attnjit::gpu_tests
