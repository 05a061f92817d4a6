// Runs a case of tests/gpu/masked_case.h on the emulator, its mask first, and judges it by the same bar.
#pragma once

#include <string>
#include <vector>

#include "emulator/launch.h"
#include "tests/gpu/masked_case.h"

namespace attnjit::emulator_tests {

struct JudgedMasked {
  std::string trouble;                         // as in Judged, or what is wrong with the mask
  std::vector<emulator::SyncSite> sync_sites;  // of both kernels
};

/// With the objects of this build folder, planned for an H200.
JudgedMasked run_here(const gpu_tests::MaskedCase& c, const emulator::LaunchOptions& options);

}  // namespace attnjit::emulator_tests
