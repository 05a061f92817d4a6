#include "tests/emulator/emulated_decode.h"

#include "tests/emulator/run_here.h"
#include "tests/gpu/decode_tensors.h"
#include "tests/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {

std::string run_decode_here(const gpu_tests::DecodeCase& c, const emulator::LaunchOptions& options,
                            emulator::LaunchResult* result) {
  const reference::CpuKernels plain;
  const gpu_tests::DecodeTensors tensors(c, plain);
  const emulator::EmulatedMlaDecode op(objects_here(), c.config, features_of(c, features_here()));
  try {
    const emulator::LaunchResult run = op.run(tensors.params(), options);
    if (result != nullptr) *result = run;
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
