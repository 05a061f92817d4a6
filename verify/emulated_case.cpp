#include "verify/emulated_case.h"

#include "emulator/emulated_operator.h"
#include "verify/masked_mha/tensors.h"
#include "verify/merge_states/tensors.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/mla_decode/tensors.h"
#include "verify/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

/// Calls run() and keeps what it launched; a fault that ends it becomes the trouble.
template <class Run>
void run_into(Judged& judged, const Run& run) {
  try {
    judged.run.add(run());
  } catch (const emulator::KernelFault& fault) {
    judged.trouble = fault.what();
  }
}

/// Compares attention's output with what is expected.
template <class AnyCase>
void judge_attention(Judged& judged, const AnyCase& c, const gpu_tests::Output& output,
                     const reference::Expected& expected) {
  judged.out =
      c.e4m3_output() ? judge_e4m3(expected, output.out_e4m3, c.out_scale) : judge_16bit(expected, output.out_16bit);
  if (!output.lse.empty()) judged.lse = judge_lse(expected, output.lse);
  if (!output.wrong_place.empty()) {
    judged.trouble = output.wrong_place;
  } else if (!judged.out->ok()) {
    judged.trouble = "out: " + judged.out->message();
  } else if (judged.lse && !judged.lse->ok()) {
    judged.trouble = "lse: " + judged.lse->message();
  }
}

runtime::Forced forced(gpu_tests::Tiles tiles, unsigned ctas) {
  runtime::Forced forced = forced_by(tiles);
  if (ctas > 0) forced.ctas = ctas;
  return forced;
}

}  // namespace

Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::Case& c, const runtime::SmFeatures& features,
                     const emulator::LaunchOptions& options, unsigned ctas) {
  Judged judged;
  const reference::CpuKernels plain;
  const gpu_tests::CaseTensors tensors(c, plain);
  const emulator::EmulatedMhaVarlen op(objects, c.config, features_of(c.variant, c.tiles, features),
                                       forced(c.tiles, ctas));
  run_into(judged, [&] { return op.run(tensors.params(), options); });
  if (judged.trouble.empty()) judge_attention(judged, c, tensors.take_output(), tensors.expected());
  return judged;
}

Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::MaskedCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options, unsigned ctas) {
  Judged judged;
  const reference::CpuKernels plain;
  const gpu_tests::MaskedTensors tensors(c, plain);
  const runtime::SmFeatures planned = features_of(c.attention.variant, c.attention.tiles, features);
  const emulator::EmulatedMaskFromTopk build(objects, {}, planned);
  const emulator::EmulatedMaskedMha op(objects, {c.attention.config}, planned, forced(c.attention.tiles, ctas));
  if (c.form == gpu_tests::MaskForm::kMask) {
    run_into(judged, [&] { return build.run(tensors.build_params(), options); });
  }
  if (judged.trouble.empty()) run_into(judged, [&] { return op.run(tensors.params(), options); });
  if (judged.trouble.empty()) judge_attention(judged, c.attention, tensors.take_output(), tensors.expected());
  if (judged.trouble.empty()) judged.trouble = tensors.take_mask();
  return judged;
}

Judged run_and_judge_mask(emulator::KernelObjects& objects, const gpu_tests::MaskedCase& c,
                          const runtime::SmFeatures& features, const emulator::LaunchOptions& options) {
  Judged judged;
  const reference::CpuKernels plain;
  const gpu_tests::MaskedTensors tensors(c, plain);
  const emulator::EmulatedMaskFromTopk op(objects, {}, features);
  run_into(judged, [&] { return op.run(tensors.build_params(), options); });
  if (judged.trouble.empty()) judged.trouble = tensors.take_mask();
  return judged;
}

Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::DecodeCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options) {
  Judged judged;
  const reference::CpuKernels plain;
  const gpu_tests::DecodeTensors tensors(c, plain);
  const emulator::EmulatedMlaDecode op(objects, c.config, features_of(c, features));
  run_into(judged, [&] { return op.run(tensors.params(), options); });
  if (judged.trouble.empty()) judge_attention(judged, c, tensors.take_output(), tensors.expected());
  return judged;
}

Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::MergeCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options) {
  Judged judged;
  const reference::CpuKernels plain;
  const gpu_tests::MergeTensors tensors(c, plain);
  const reference::Expected expected = tensors.expected();  // before an in-place merge overwrites a state
  const emulator::EmulatedMergeStates op(objects, c.config,
                                         features_of(c.variant, gpu_tests::Tiles::kAsPlanned, features));
  run_into(judged, [&] { return op.run(tensors.params(), options); });
  if (!judged.trouble.empty()) return judged;
  const gpu_tests::MergeOutput output = tensors.take_output();
  const gpu_tests::MergeVerdict verdict = judge(c, expected, output);
  judged.out = verdict.out;
  if (verdict.has_lse) judged.lse = verdict.lse;
  judged.trouble = verdict.trouble(output);
  return judged;
}

}  // namespace attnjit::emulator_tests
