#include "emulator/operator_run.h"

#include <algorithm>
#include <chrono>

namespace attnjit::emulator {

double OperatorRun::seconds() const {
  double sum = 0;
  for (const KernelRun& kernel : kernels) sum += kernel.seconds;
  return sum;
}

void OperatorRun::launch(const std::string& family, const KernelObject& object, const Grid& grid, const void* params,
                         const LaunchOptions& options) {
  OperatorRun one;
  const auto start = std::chrono::steady_clock::now();
  static_cast<LaunchResult&>(one) = emulator::launch(object.function, params, grid, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  one.kernels.push_back({family, &object, grid, seconds});
  add(one);
}

void OperatorRun::add(const OperatorRun& later) {
  kernels.insert(kernels.end(), later.kernels.begin(), later.kernels.end());
  switches += later.switches;
  sync_sites.insert(sync_sites.end(), later.sync_sites.begin(), later.sync_sites.end());
  std::sort(sync_sites.begin(), sync_sites.end());
  sync_sites.erase(std::unique(sync_sites.begin(), sync_sites.end()), sync_sites.end());
}

}  // namespace attnjit::emulator
