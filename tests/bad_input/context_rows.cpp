// Faults of device and target.
#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/rows.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

std::function<Outcome(Api)> with_arch(const std::string& arch) {
  return [arch](Api api) { return attempt(api, compile_only(arch), nullptr); };
}

/// A context of device `ordinal` on a machine whose devices have these SMs.
std::function<Outcome(Api)> with_devices(const std::vector<int>& sms, int ordinal) {
  return [=](Api api) {
    fake_cuda::state().device_sms = sms;
    ContextOptions options = fake_device();
    options.device = ordinal;
    return attempt(api, options, nullptr);
  };
}

Outcome run_without_device(Api api) {
  ContextOptions options = fake_device();
  options.device = ContextOptions::kNoDevice;
  options.arch = "sm_90a";
  const MhaVarlenOperation operation;
  return attempt(api, options, &operation);
}

/// The host's context is of device 0, the operator was created for device 1.
Outcome run_in_a_context_of_another_device(Api api) {
  fake_cuda::state().device_sms = {90, 90};
  fake_cuda::set_current(fake_cuda::context_of(0));
  ContextOptions options = fake_device();
  options.device = 1;
  MhaVarlenOperation operation;
  operation.place.device.device_id = 1;
  return attempt(api, options, &operation);
}

}  // namespace

std::vector<Row> context_rows() {
  return {
      {"arch_unknown",
       Status::kInvalidArgument,
       {"\"sm_banana\" is not a target", "sm_90a", "suffix is none, a"},
       with_arch("sm_banana")},
      {"arch_without_number", Status::kInvalidArgument, {"\"sm_\" is not a target", "sm_90a"}, with_arch("sm_")},
      {"arch_missing", Status::kInvalidArgument, {"without a device needs", "arch", "\"sm_90a\""}, with_arch("")},
      {"arch_too_old", Status::kUnsupported, {"sm_75 is not served", "SM 8.0", "newer"}, with_arch("sm_75")},
      {"device_missing",
       Status::kInvalidArgument,
       {"device 3 does not exist", "shows 2 device(s)", "give an ordinal from 0 to 1", "CUDA_VISIBLE_DEVICES",
        "kNoDevice (-1)"},
       with_devices({90, 90}, 3)},
      {"device_negative",
       Status::kInvalidArgument,
       {"device -2 does not exist", "shows 1 device(s)", "give an ordinal from 0 to 0", "kNoDevice (-1)"},
       with_devices({90}, -2)},
      {"device_none",
       Status::kNoDriver,
       {"device 0 does not exist", "shows 0 device(s)", "look whether CUDA_VISIBLE_DEVICES hides them",
        "kNoDevice (-1)"},
       with_devices({}, 0)},
      {"device_too_old",
       Status::kUnsupported,
       {"device 1 is SM 7.5", "SM 8.0 (Ampere) or newer", "choose such a device", "CUDA_VISIBLE_DEVICES"},
       with_devices({90, 75}, 1)},
      {"run_without_device",
       Status::kInvalidArgument,
       {"without a device", "cannot run", "Make a Context of a device"},
       run_without_device},
      {"run_in_another_devices_context",
       Status::kInvalidArgument,
       {"wrong device", "is of device 0", "Context of device 1", "Make a context of device 1 current"},
       run_in_a_context_of_another_device},
  };
}

}  // namespace attnjit::bad_input
