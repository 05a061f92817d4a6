// Whether tests/gpu/report.json still vouches for the current sources.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/kernel_loader.h"
#include "runtime/kernel_plan.h"
#include "tests/gpu/recording.h"
#include "tests/gpu/report_file.h"

namespace attnjit::gpu_tests {

/// The remedy for most faults.
extern const char* const kRunTheSuite;

/// Families whose kernels have not run on a GPU: "NOT RUN ON A GPU: family, reason". Not a fault, but never silent.
std::vector<std::string> pending_families(const Json& report);

// Each returns one line per fault, which names the family.

/// Every family of the suite is in the report, as run or pending, and a run one has no failure. Its templates are the
/// ones that ran, unless `nvrtc` (such as "13.0") is the version that compiled them: then check_cubins() judges what
/// they compile to.
std::vector<std::string> check_families(const Json& report, const std::vector<runtime::KernelPlan>& kernels,
                                        const std::string& nvrtc = {});
/// Every call launches what it launched in the build that ran.
std::vector<std::string> check_launches(const Json& report, const Recording& recording);
/// Every kernel of the suite ran, and no other is listed.
std::vector<std::string> check_kernels(const Json& report, const std::vector<runtime::KernelPlan>& kernels);
/// Every test passed, and the tests outside the suite's program (compute-sanitizer, PyTorch) are there.
std::vector<std::string> check_tests(const Json& report);
/// Every `of`-th kernel of a report, from `first` on. Compiling all of them takes minutes on a slow or busy machine and
/// a test has a time limit, so several tests share them.
struct Share {
  std::size_t first = 0, of = 1;
};
/// Every reported kernel of the share compiles to the same bits. Only with the NVRTC that compiled them; with another
/// one, the digests of check_families count.
std::vector<std::string> check_cubins(const Json& report, const std::vector<runtime::KernelPlan>& kernels,
                                      runtime::KernelLoader& loader, Share share = {});

}  // namespace attnjit::gpu_tests
