// Drops each barrier, wait and commit of a kernel once and requires the emulator to notice: by a wrong result, a race,
// an uninitialized read or a deadlock. mutation_survivors.json lists, by kernel and with the reason, exactly the ones
// it does not notice.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emulator/launch.h"

namespace attnjit::emulator_tests {

/// One run of a kernel that checks its own result.
struct MutationCase {
  std::string name;
  std::uint64_t seed = 1;
  /// Empty if the result is right, else the reason why not.
  std::function<std::string(const emulator::LaunchOptions&, emulator::LaunchResult*)> run;
};

/// Fails the current test unless every site in the source of `kernels` and of what they include is reached by a case,
/// and is either noticed when dropped or listed as a survivor under the kernels' names.
void expect_every_site_missed(const std::vector<std::string>& kernels, const std::vector<MutationCase>& cases);

}  // namespace attnjit::emulator_tests
