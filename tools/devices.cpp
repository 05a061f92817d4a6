#include "tools/devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "jit/target.h"
#include "runtime/driver.h"

namespace attnjit::tools {
namespace {

int attribute(const runtime::Driver& driver, CUdevice device, CUdevice_attribute which) {
  int value = 0;
  driver.check(driver.cuDeviceGetAttribute(&value, which, device), "cuDeviceGetAttribute");
  return value;
}

Device describe(const runtime::Driver& driver, int ordinal) {
  Device result;
  result.ordinal = ordinal;
  CUdevice device = 0;
  driver.check(driver.cuDeviceGet(&device, ordinal), "cuDeviceGet");
  std::array<char, 256> name{};
  driver.check(driver.cuDeviceGetName(name.data(), static_cast<int>(name.size()), device), "cuDeviceGetName");
  result.name = name.data();
  result.compute_capability =
      fmt::format("{}.{}", attribute(driver, device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                  attribute(driver, device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  result.sms = attribute(driver, device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  try {
    // Uses a Context, so the result is what programs get.
    ContextOptions options;
    options.device = ordinal;
    options.cache_path = ":memory:";
    result.target = Context(std::move(options)).arch();
  } catch (const Error& error) {
    result.problem = error.what();
  }
  return result;
}

}  // namespace

std::vector<Device> find_devices() {
  const runtime::Driver& driver = runtime::Driver::get();
  int count = 0;
  driver.check(driver.cuDeviceGetCount(&count), "cuDeviceGetCount");
  std::vector<Device> devices;
  for (int ordinal = 0; ordinal < count; ++ordinal) devices.push_back(describe(driver, ordinal));
  return devices;
}

std::vector<std::string> detected_targets() {
  std::vector<std::string> targets;
  std::string problems;
  for (const Device& device : find_devices()) {
    if (device.target.empty()) {
      problems += fmt::format("\n  device {}, {}: {}", device.ordinal, device.name, device.problem);
    } else if (std::ranges::find(targets, device.target) == targets.end()) {
      targets.push_back(device.target);
    }
  }
  if (targets.empty())
    throw Error(Status::kNoDriver, fmt::format("the driver shows no GPU that is served{}", problems));
  return targets;
}

std::vector<std::string> wanted_targets(const std::vector<std::string>& archs) {
  std::vector<std::string> targets;
  for (const std::string& arch : archs) targets.push_back(jit::Target::parse(arch).name());
  if (!targets.empty()) return targets;
  try {
    return detected_targets();
  } catch (const Error& error) {
    throw Error(
        Status::kInvalidArgument,
        fmt::format("no --arch is given and no GPU could be asked for its own: {}. Give the target, for example "
                    "--arch sm_90a",
                    error.what()));
  }
}

}  // namespace attnjit::tools
