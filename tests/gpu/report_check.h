// Whether tests/gpu/report.json still vouches for the sources at hand.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/kernel_loader.h"
#include "runtime/kernel_plan.h"
#include "tests/gpu/recording.h"
#include "tests/gpu/report_file.h"

namespace attnjit::gpu_tests {

/// What has to be done about most faults.
extern const char* const kRunTheSuite;

/// Families whose kernels have not run on a GPU: "NOT RUN ON A GPU: family, reason". No fault, but never silent.
std::vector<std::string> pending_families(const Json& report);

// Each returns one line per fault, naming the family.

/// Every family of the suite is in the report, run or pending; a run one has no failure. Its templates are those that
/// ran, unless `nvrtc` (as "13.0") is the version that compiled them: then check_cubins() judges what they compile to.
std::vector<std::string> check_families(const Json& report, const std::vector<runtime::KernelPlan>& kernels,
                                        const std::string& nvrtc = {});
/// Every call launches what it launched in the build that ran.
std::vector<std::string> check_launches(const Json& report, const Recording& recording);
/// Every kernel of the suite ran, and no other is listed.
std::vector<std::string> check_kernels(const Json& report, const std::vector<runtime::KernelPlan>& kernels);
/// Every test passed, and those outside the suite's own program (compute-sanitizer, PyTorch) are there.
std::vector<std::string> check_tests(const Json& report);
/// Every `of`-th kernel of a report, from `first` on. Compiling all of them takes minutes where the machine is slow or
/// busy, and a test has a time limit: so several tests share them.
struct Share {
  std::size_t first = 0, of = 1;
};
/// Every reported kernel of the share compiles to the same bits. Only with the NVRTC that compiled them; with another
/// one it is the digests of check_families that count.
std::vector<std::string> check_cubins(const Json& report, const std::vector<runtime::KernelPlan>& kernels,
                                      runtime::KernelLoader& loader, Share share = {});

}  // namespace attnjit::gpu_tests
