#include "operators/merge_states/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "attnjit/error.hpp"
#include "runtime/argument_check.h"
#include "runtime/checked.h"

namespace attnjit::runtime {
namespace {

constexpr const char* kWhichForm = "give either out_a, lse_a, out_b and lse_b, or outs and lses";

DType out_dtype_of(const MergeStatesConfig& config) { return config.out_dtype.value_or(config.dtype); }

/// Drops the leading dim of states: what remains is [T, H, d] or [T, H].
Tensor without_states(const Tensor& t) {
  Tensor one = t;
  one.rank = t.rank - 1;
  std::copy(t.shape.begin() + 1, t.shape.end(), one.shape.begin());
  std::copy(t.strides.begin() + 1, t.strides.end(), one.strides.begin());
  return one;
}

kernel::AttentionState state_of(const Tensor& out, const Tensor& lse) {
  return {.out = {out.data, out.strides[0], out.strides[1]},
          .lse = static_cast<const float*>(lse.data),
          .lse_token_stride = lse.strides[0],
          .lse_head_stride = lse.strides[1]};
}

bool same_layout(const Tensor& a, const Tensor& b) {
  for (int dim = 0; dim < a.rank; ++dim) {
    if (a.shape[dim] > 1 && a.strides[dim] != b.strides[dim]) return false;
  }
  return true;
}

/// An output may start where a state's tensor does only if each row is written exactly where it is read.
void check_alias(const char* output_name, const Tensor& output, const char* input_name, const Tensor& input) {
  if (output.data != input.data || output.elements() == 0) return;
  if (output.dtype == input.dtype && same_layout(output, input)) return;
  kMergeStates.fail(
      fmt::format("{} and {} start at the same address with different {}: a row would overwrite another one that is "
                  "still to be read; give {} the layout of {}, or memory of its own",
                  output_name, input_name, output.dtype == input.dtype ? "strides" : "types", output_name, input_name));
}

void check_aliases(const MergeStatesParams& p, const char* out_name, const Tensor& out, const char* lse_name,
                   const Tensor& lse) {
  check_alias("out", p.out, out_name, out);
  if (p.lse.given()) check_alias("lse", p.lse, lse_name, lse);
}

}  // namespace

void check_merge_states_config(const MergeStatesConfig& config) {
  const int dim = config.head_dim;
  if (dim < 16 || dim > 512 || dim % 16 != 0) {
    throw Error(
        Status::kUnsupported,
        fmt::format("merge_states: head_dim is {}; it must be a multiple of 16 from 16 to 512. The nearest that "
                    "is served is {}",
                    dim, std::clamp((dim + 15) / 16 * 16, 16, 512)));
  }
  if (config.dtype != DType::kFloat32 && config.dtype != DType::kBFloat16 && config.dtype != DType::kFloat16) {
    throw Error(Status::kUnsupported,
                fmt::format("merge_states: dtype is {}; float32, bfloat16 and float16 are served: convert the states",
                            to_string(config.dtype)));
  }
  if (out_dtype_of(config) == DType::kInt32) {
    throw Error(Status::kUnsupported,
                "merge_states: out_dtype is int32; float32, bfloat16, float16 and float8_e4m3 are served");
  }
}

kernel::MergeStatesParams check_merge_states(const MergeStatesConfig& config, const MergeStatesParams& p) {
  const DType out_dtype = out_dtype_of(config);
  kernel::MergeStatesParams call{};

  // ---- the states: the first one's out defines T and H
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  if (p.outs.given()) {
    kMergeStates.absent("out_a", p.out_a, kWhichForm);
    kMergeStates.absent("lse_a", p.lse_a, kWhichForm);
    kMergeStates.absent("out_b", p.out_b, kWhichForm);
    kMergeStates.absent("lse_b", p.lse_b, kWhichForm);
    kMergeStates.rows("outs", p.outs, config.dtype, {kAnySize, kAnySize, kAnySize, config.head_dim}, Access::kInput);
    tokens = p.outs.shape[1];
    heads = p.outs.shape[2];
    kMergeStates.elements("lses", p.lses, DType::kFloat32, {p.outs.shape[0], tokens, heads}, Access::kInput);
    if (p.outs.shape[0] > std::numeric_limits<int>::max()) [[unlikely]]
      kMergeStates.fail(
          fmt::format("outs has {} states; at most 2^31 - 1 are served: merge them in parts", p.outs.shape[0]));
    call.first = state_of(without_states(p.outs), without_states(p.lses));
    call.out_state_stride = p.outs.strides[0];
    call.lse_state_stride = p.lses.strides[0];
    call.num_states = static_cast<int>(p.outs.shape[0]);
  } else {
    kMergeStates.given("out_a", p.out_a, kWhichForm);
    kMergeStates.absent("lses", p.lses, kWhichForm);
    kMergeStates.rows("out_a", p.out_a, config.dtype, {kAnySize, kAnySize, config.head_dim}, Access::kInput);
    tokens = p.out_a.shape[0];
    heads = p.out_a.shape[1];
    kMergeStates.elements("lse_a", p.lse_a, DType::kFloat32, {tokens, heads}, Access::kInput);
    kMergeStates.rows("out_b", p.out_b, config.dtype, {tokens, heads, config.head_dim}, Access::kInput);
    kMergeStates.elements("lse_b", p.lse_b, DType::kFloat32, {tokens, heads}, Access::kInput);
    call.first = state_of(p.out_a, p.lse_a);
    call.second = state_of(p.out_b, p.lse_b);
    call.num_states = 2;
    call.apart = 1;
  }

  // ---- outputs
  kMergeStates.rows("out", p.out, out_dtype, {tokens, heads, config.head_dim}, Access::kOutput);
  if (p.lse.given()) kMergeStates.elements("lse", p.lse, DType::kFloat32, {tokens, heads}, Access::kOutput);
  if (out_dtype == DType::kFloat8E4M3) {
    kMergeStates.vector("out_scale", p.out_scale, DType::kFloat32, 1);
  } else {
    kMergeStates.absent("out_scale", p.out_scale, "it belongs to float8_e4m3 output");
  }
  if (p.outs.given()) {
    check_aliases(p, "outs", without_states(p.outs), "lses", without_states(p.lses));
  } else {
    check_aliases(p, "out_a", p.out_a, "lse_a", p.lse_a);
    check_aliases(p, "out_b", p.out_b, "lse_b", p.lse_b);
  }
  const Checked rows = Checked(tokens) * heads;
  if (!rows.fits()) [[unlikely]]
    kMergeStates.fail(fmt::format("{} tokens x {} heads are more rows than 2^63: look at the shapes", tokens, heads));

  call.out_scale = static_cast<const float*>(p.out_scale.data);
  call.out = p.out.data;
  call.out_token_stride = p.out.strides[0];
  call.out_head_stride = p.out.strides[1];
  call.lse = static_cast<float*>(p.lse.data);
  call.lse_token_stride = p.lse.strides[0];
  call.lse_head_stride = p.lse.strides[1];
  call.rows = rows.value();
  call.num_heads = kMergeStates.count("heads", heads);
  return call;
}

}  // namespace attnjit::runtime
