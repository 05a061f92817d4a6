#include "verify/merge_states/baseline.h"

#include "verify/reference/cpu_merge.h"
#include "verify/reference/low_precision.h"

namespace attnjit::gpu_tests {
namespace {

std::vector<std::uint16_t> rounded(const std::vector<float>& values) {
  std::vector<std::uint16_t> bits;
  for (const float value : values) bits.push_back(reference::bf16_from_float(value));
  return bits;
}

}  // namespace

YardstickState yardstick_state(const reference::Expected& expected) {
  return {rounded(expected.yardstick), std::vector<float>(expected.lse.begin(), expected.lse.end())};
}

YardstickState MergedYardstick::state() const { return {rounded(out), lse}; }

MergedYardstick merge_yardsticks(const std::vector<YardstickState>& states, int rows, int columns) {
  std::vector<std::uint16_t> outs;
  std::vector<float> lses;
  for (const YardstickState& state : states) {
    outs.insert(outs.end(), state.out.begin(), state.out.end());
    lses.insert(lses.end(), state.lse.begin(), state.lse.end());
  }
  MergedYardstick merged;
  merged.out.resize(states[0].out.size());
  std::vector<double> exact(merged.out.size()), lse(states[0].lse.size()), magnitude(states[0].lse.size());
  reference::MergeParams p;  // heads do not matter here
  p.out = {outs.data(), columns, columns};
  p.lse = {lses.data(), 1, 1};
  p.out_state_stride = static_cast<reference::i64>(states[0].out.size());
  p.lse_state_stride = static_cast<reference::i64>(states[0].lse.size());
  p.states = static_cast<int>(states.size());
  p.tokens = rows;
  p.heads = 1;
  p.columns = columns;
  p.merged_out = exact.data();
  p.merged_lse = lse.data();
  p.magnitude = magnitude.data();
  p.yardstick_out = merged.out.data();
  reference::merge_on_cpu(p);
  merged.lse.assign(lse.begin(), lse.end());
  return merged;
}

}  // namespace attnjit::gpu_tests
