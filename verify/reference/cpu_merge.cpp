#include "verify/reference/cpu_merge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float element_at(Element element, const void* data, i64 offset) {
  if (element == Element::kFloat32) return static_cast<const float*>(data)[offset];
  return float_from_16bit(element, static_cast<const u16*>(data)[offset]);
}

/// One state of one row.
struct State {
  float lse;
  std::vector<float> out;
};

/// The states of a row that have seen a key.
std::vector<State> states_of(const MergeParams& p, i64 token, i64 head) {
  std::vector<State> states;
  for (int i = 0; i < p.states; ++i) {
    const bool second = p.apart && i == 1;
    const Rows& lse_rows = second ? p.second_lse : p.lse;
    const Rows& out_rows = second ? p.second_out : p.out;
    const auto offset = [&](const Rows& rows, i64 state_stride) {
      return (second ? 0 : i * state_stride) + token * rows.token_stride + head * rows.head_stride;
    };
    State state{static_cast<const float*>(lse_rows.data)[offset(lse_rows, p.lse_state_stride)], {}};
    if (std::isnan(state.lse) || std::isinf(state.lse)) continue;
    for (int column = 0; column < p.columns; ++column) {
      state.out.push_back(element_at(p.element, out_rows.data, offset(out_rows, p.out_state_stride) + column));
    }
    states.push_back(std::move(state));
  }
  return states;
}

template <class Real>
struct Merged {
  std::vector<Real> out;
  Real lse = -kInfinity;
};

template <class Real>
Merged<Real> merge(const std::vector<State>& states, int columns) {
  Merged<Real> merged{std::vector<Real>(static_cast<std::size_t>(columns), 0)};
  if (states.empty()) return merged;
  Real largest = -kInfinity;
  for (const State& state : states) largest = std::max(largest, Real(state.lse));
  Real sum = 0;
  for (const State& state : states) sum += std::exp(state.lse - largest);
  for (const State& state : states) {
    const Real weight = std::exp(state.lse - largest) / sum;
    if (weight == 0) continue;
    for (int column = 0; column < columns; ++column) {
      merged.out[column] = std::fma(weight, Real(state.out[column]), merged.out[column]);
    }
  }
  merged.lse = largest + std::log(sum);
  return merged;
}

}  // namespace

void merge_on_cpu(const MergeParams& p) {
  for (i64 row = 0; row < i64{p.tokens} * p.heads; ++row) {
    const std::vector<State> states = states_of(p, row / p.heads, row % p.heads);
    const Merged<double> exact = merge<double>(states, p.columns);
    const Merged<float> yardstick = merge<float>(states, p.columns);
    std::ranges::copy(exact.out, p.merged_out + row * p.columns);
    std::ranges::copy(yardstick.out, p.yardstick_out + row * p.columns);
    p.merged_lse[row] = exact.lse;
    p.magnitude[row] = 0;
    for (const State& state : states) p.magnitude[row] = std::max(p.magnitude[row], std::fabs(double{state.lse}));
  }
}

}  // namespace attnjit::reference
