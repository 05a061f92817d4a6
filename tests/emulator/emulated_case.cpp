#include "tests/emulator/emulated_case.h"

#include <fmt/format.h>

#include "tests/gpu/case_tensors.h"
#include "tests/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {

using gpu_tests::Case;
using gpu_tests::CaseTensors;

emulator::KernelObjects& objects() {
  static emulator::KernelObjects kept{ATTNJIT_EMULATOR_OBJECTS};
  return kept;
}

runtime::SmFeatures own_features() { return runtime::sm_features({9, 0, 'a'}); }

std::string run_and_judge(const Case& c, const emulator::LaunchOptions& options, emulator::LaunchResult* result) {
  const reference::CpuKernels plain;
  const CaseTensors tensors(c, plain);
  const emulator::EmulatedMhaVarlen op(objects(), c.config, features_of(c.variant, c.tiles, own_features()));
  try {
    const auto run = op.run(tensors.params(), options);
    if (result != nullptr) *result = run.result;
  } catch (const emulator::KernelFault& fault) {
    return fault.what();
  }
  const gpu_tests::Output output = tensors.take_output();
  if (!output.wrong_place.empty()) return output.wrong_place;
  const reference::Expected expected = tensors.expected();
  const reference::Verdict out =
      c.e4m3_output() ? judge_e4m3(expected, output.out_e4m3, c.out_scale) : judge_16bit(expected, output.out_16bit);
  if (!out.ok()) return "out: " + out.message();
  if (output.lse.empty()) return "";
  const reference::Verdict lse = judge_lse(expected, output.lse);
  return lse.ok() ? "" : "lse: " + lse.message();
}

}  // namespace attnjit::emulator_tests
