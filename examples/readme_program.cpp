#include <attnjit/attnjit.hpp>
#include <cstdio>

#include "device_tensors.hpp"  // in examples/: replace with cudaMalloc or your framework's tensors

int main() {
  examples::Gpu gpu;  // device 0; without a GPU, kernels are compiled and cached for a machine with one
  attnjit::Context context({.device = gpu ? 0 : -1, .arch = gpu ? "" : "sm_90a"});
  attnjit::MlaPrefill prefill(context, {.head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64});  // compiles or loads
  if (!gpu) return std::puts("no GPU here: the kernel was compiled and cached, not run"), 0;

  auto q = gpu.random({4096, 16, 192}), k_nope = gpu.random({4096, 16, 128}), k_pe = gpu.random({4096, 64});
  auto v = gpu.random({4096, 16, 128}), out = gpu.zeros({4096, 16, 128});
  auto starts = gpu.copy({0, 1000, 4096});  // two prompts, 4096 tokens in total
  prefill.run({.q = q, .k_nope = k_nope, .k_pe = k_pe, .v = v, .out = out, .cu_seqlens_q = starts,
               .cu_seqlens_k = starts, .max_seqlen_q = 3096, .max_seqlen_k = 3096, .softmax_scale = 0.0722f});
  std::printf("out[0][0][0] = %f\n", gpu.read(out)[0]);
}
