// Record of one operator call on the emulator: the kernels that ran, one after another, and their results.
#pragma once

#include <string>
#include <vector>

#include "emulator/kernel_object.h"
#include "emulator/launch.h"

namespace attnjit::emulator {

/// A kernel that ran to completion.
struct KernelRun {
  std::string family;
  const KernelObject* object = nullptr;
  Grid grid;
  double seconds = 0;  // of the launch alone
};

/// The sync sites are those of all kernels. Without kernels, there was nothing to do.
struct OperatorRun : LaunchResult {
  std::vector<KernelRun> kernels;

  double seconds() const;
  /// Launches one more kernel. Throws KernelFault.
  void launch(const std::string& family, const KernelObject& object, const Grid& grid, const void* params,
              const LaunchOptions& options);
  /// Appends the record of a later call.
  void add(const OperatorRun& later);
};

}  // namespace attnjit::emulator
