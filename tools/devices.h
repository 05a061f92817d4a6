// The GPUs of this machine and the target that kernels are compiled for on each.
#pragma once

#include <string>
#include <vector>

namespace attnjit::tools {

struct Device {
  int ordinal = 0;
  std::string name;                // "NVIDIA H200"
  std::string compute_capability;  // "9.0"
  int sms = 0;
  std::string target;   // "sm_90a"; empty when no kernel serves the device
  std::string problem;  // why not
};

/// In the driver's order. Throws attnjit::Error(kNoDriver) where there is no driver; without devices it is
/// empty.
std::vector<Device> find_devices();

/// Targets of all devices that are served, each once. Throws attnjit::Error when there is none.
std::vector<std::string> detected_targets();

}  // namespace attnjit::tools
