#include "tests/emulator/masked_emulated_case.h"

#include "emulator/masked_mha.h"
#include "tests/emulator/run_here.h"
#include "tests/gpu/masked_tensors.h"
#include "tests/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {

using gpu_tests::MaskedCase;
using gpu_tests::MaskedTensors;

JudgedMasked run_here(const MaskedCase& c, const emulator::LaunchOptions& options) {
  const reference::CpuKernels plain;
  const MaskedTensors tensors(c, plain);
  const runtime::SmFeatures features = features_of(c.attention.variant, c.attention.tiles, features_here());
  const emulator::EmulatedMaskFromTopk build(objects_here(), features);
  const emulator::EmulatedMaskedMha op(objects_here(), {c.attention.config}, features);
  JudgedMasked result;
  const auto keep = [&](const emulator::LaunchResult& launch) {
    result.sync_sites.insert(result.sync_sites.end(), launch.sync_sites.begin(), launch.sync_sites.end());
  };
  try {
    if (c.form == gpu_tests::MaskForm::kMask) keep(build.run(tensors.build_params(), options));
    keep(op.run(tensors.params(), options));
  } catch (const emulator::KernelFault& fault) {
    result.trouble = fault.what();
    return result;
  }
  Judged attention;
  attention.judge(c.attention, tensors.take_output(), tensors.expected());
  result.trouble = attention.trouble.empty() ? tensors.take_mask() : attention.trouble;
  return result;
}

}  // namespace attnjit::emulator_tests
