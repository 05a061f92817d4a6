// What the host code of a build launches, as digests (tests/launches makes them): the report of a GPU run keeps those
// of the build that ran, and vouches for every later build that launches the same.
#pragma once

#include <map>
#include <string>

#include "tests/gpu/report_file.h"

namespace attnjit::gpu_tests {

struct Recording {
  std::map<std::string, std::string> calls;     // by name: of all that the call launches, 16 hex digits
  std::map<std::string, std::string> families;  // of all launches of a kernel family, in the order of their calls
  std::string sources;                          // host_digest() of the build that was recorded
};

/// Throws std::runtime_error naming the path.
void write_recording(const std::string& path, const Recording& recording);
/// Also throws when the recording is of other host files than this program's.
Recording read_recording(const std::string& path);

/// Puts the digests into the report: "launch_digest" of each family that ran, and "launches" of all calls.
void add_recording(Json& report, const Recording& recording);

}  // namespace attnjit::gpu_tests
