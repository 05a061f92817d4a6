#include "tests/emulator/emulated_case.h"

#include "tests/gpu/case_tensors.h"
#include "tests/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {

using gpu_tests::Case;
using gpu_tests::CaseTensors;

void Judged::judge(const Case& c, const gpu_tests::Output& output, const reference::Expected& expected) {
  out = c.e4m3_output() ? judge_e4m3(expected, output.out_e4m3, c.out_scale) : judge_16bit(expected, output.out_16bit);
  if (!output.lse.empty()) lse = judge_lse(expected, output.lse);
  if (!output.wrong_place.empty()) {
    trouble = output.wrong_place;
  } else if (!out->ok()) {
    trouble = "out: " + out->message();
  } else if (lse && !lse->ok()) {
    trouble = "lse: " + lse->message();
  }
}

Judged run_and_judge(emulator::KernelObjects& objects, const Case& c, const runtime::SmFeatures& features,
                     const emulator::LaunchOptions& options) {
  Judged judged;
  const reference::CpuKernels plain;
  const CaseTensors tensors(c, plain);
  const emulator::EmulatedMhaVarlen op(objects, c.config, features_of(c.variant, c.tiles, features));
  try {
    judged.run = op.run(tensors.params(), options);
    judged.seconds = judged.run.seconds;
  } catch (const emulator::KernelFault& fault) {
    judged.trouble = fault.what();
    return judged;
  }
  judged.judge(c, tensors.take_output(), tensors.expected());
  return judged;
}

}  // namespace attnjit::emulator_tests
