// What one call of an operator ran on the emulator: its kernels, one after the other, and what they told.
#pragma once

#include <string>
#include <vector>

#include "emulator/kernel_object.h"
#include "emulator/launch.h"

namespace attnjit::emulator {

/// A kernel that ran to its end.
struct KernelRun {
  std::string family;
  const KernelObject* object = nullptr;
  Grid grid;
  double seconds = 0;  // of the launch alone
};

/// The sites are those of all kernels. No kernels: there was nothing to do.
struct OperatorRun : LaunchResult {
  std::vector<KernelRun> kernels;

  double seconds() const;
  /// Launches one more. Throws KernelFault.
  void launch(const std::string& family, const KernelObject& object, const Grid& grid, const void* params,
              const LaunchOptions& options);
  /// Takes in what another call ran after this one.
  void add(const OperatorRun& later);
};

}  // namespace attnjit::emulator
