// Drops each barrier, wait and commit of a kernel once, and demands that the emulator notices: by a wrong result, a
// race, an uninitialised read or a deadlock. What it does not notice is listed in mutation_survivors.json with the
// reason, by kernel, and nothing else is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emulator/launch.h"

namespace attnjit::emulator_tests {

/// One run of a kernel that judges itself.
struct MutationCase {
  std::string name;
  std::uint64_t seed = 1;
  /// Empty if the result is right, else why not.
  std::function<std::string(const emulator::LaunchOptions&, emulator::LaunchResult*)> run;
};

/// Fails the current test unless each site in the text of `kernels` and of what they include is met by a case and missed
/// when it is dropped, or listed as a survivor under the kernels' names.
void expect_every_site_missed(const std::vector<std::string>& kernels, const std::vector<MutationCase>& cases);

}  // namespace attnjit::emulator_tests
