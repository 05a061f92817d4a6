// The GPUs of this machine, and the target that kernels are compiled for on each.
#pragma once

#include <string>
#include <vector>

namespace attnjit::tools {

struct Device {
  int ordinal = 0;
  std::string name;                // "NVIDIA H200"
  std::string compute_capability;  // "9.0"
  int sms = 0;
  std::string target;   // "sm_90a"; empty if no kernel supports the device
  std::string problem;  // why it is unsupported
};

/// In the driver's order; empty if there are no devices. Throws attnjit::Error(kNoDriver) if there is no driver.
std::vector<Device> find_devices();

/// The distinct targets of all supported devices. Throws attnjit::Error if there are none.
std::vector<std::string> detected_targets();

/// The --arch values as target names, or detected_targets() if there are none. Throws Error(kInvalidArgument) asking
/// for --arch if neither is available.
std::vector<std::string> wanted_targets(const std::vector<std::string>& archs);

}  // namespace attnjit::tools
