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

/// The --arch values as target names; without any, detected_targets(). Throws Error(kInvalidArgument) that asks for
/// --arch where neither is to be had.
std::vector<std::string> wanted_targets(const std::vector<std::string>& archs);

}  // namespace attnjit::tools
