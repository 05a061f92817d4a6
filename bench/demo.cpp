// The last step of scripts/demo: MLA prefill with DeepSeek-V3 shapes on this machine's GPU, loaded from the cache, run,
// checked against the float64 reference, and timed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "bench/gpu_clock.h"
#include "runtime/context_impl.h"
#include "verify/device.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/reference/accuracy.h"
#include "verify/reference/reference_kernels.h"

namespace {

using attnjit::gpu_tests::Case;
using attnjit::gpu_tests::CaseTensors;

/// 2 (dqk + dv) x heads x visible pairs of a causal prompt.
double operations(const Case& c) {
  const double length = c.len_q[0];
  return 2. * (c.config.head_dim_qk + c.config.head_dim_v) * c.heads * length * (length + 1) / 2;
}

Case deepseek_prompt(int tokens, int heads) {
  Case c;
  c.name = fmt::format("{} tokens, {} heads", tokens, heads);
  c.config = {.head_dim_qk = 192,
              .head_dim_v = 128,
              .rope_dim = 64,
              .dtype = attnjit::DType::kBFloat16,
              .causal = true,
              .out_dtype = {}};
  c.len_q = c.len_k = {tokens};
  c.heads = c.kv_heads = heads;
  c.k_form = attnjit::gpu_tests::KeyForm::kApart;
  return c;
}

/// Median of single calls in a row, with a warm L2.
double median_us(const attnjit::MlaPrefill& op, const CaseTensors& tensors) {
  attnjit::bench::GpuClock clock;
  std::vector<double> times;
  for (int i = 0; i < 12; ++i) {
    clock.start(nullptr);
    op.run(tensors.params());
    const double us = clock.stop_us(nullptr);
    if (i >= 2) times.push_back(us);  // the first calls load the kernel and raise the clocks
  }
  std::nth_element(times.begin(), times.begin() + 5, times.end());
  return times[5];
}

bool run(const attnjit::MlaPrefill& op, const attnjit::reference::ReferenceKernels& plain, const Case& c) {
  const CaseTensors tensors(c, plain);
  op.run(tensors.params());
  const auto output = tensors.take_output();
  const auto expected = tensors.expected();
  const auto out = judge_16bit(expected, output.out_16bit);
  const auto lse = judge_lse(expected, output.lse);
  const bool right = out.ok() && lse.ok() && output.wrong_place.empty();
  const double us = median_us(op, tensors);
  fmt::print("{:24}  {:8.1f} us  {:6.1f} TFLOP/s   max error {:.2g} (allowed {:.2g}): {}\n", c.name, us,
             operations(c) / us * 1e-6, out.error, out.allowed, right ? "right" : "WRONG");
  if (!out.ok()) fmt::print("  out: {}\n", out.message());
  if (!lse.ok()) fmt::print("  lse: {}\n", lse.message());
  if (!output.wrong_place.empty()) fmt::print("  {}\n", output.wrong_place);
  return right;
}

}  // namespace

int main() {
  try {
    const attnjit::gpu_tests::CurrentDevice current(0);
    const attnjit::Context context;
    const Case small = deepseek_prompt(1024, 16);
    const attnjit::MlaPrefill op(context, small.config);
    const attnjit::reference::ReferenceKernels plain(attnjit::runtime::context_impl(context)->loader());
    bool right = true;
    for (const Case& c : {small, deepseek_prompt(1024, 128), deepseek_prompt(4096, 128)}) right &= run(op, plain, c);
    std::puts("checked against a float64 reference computed on the same GPU from the same bf16 inputs");
    return right ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "attnjit_demo: {}\n", error.what());
    return 1;
  }
}
