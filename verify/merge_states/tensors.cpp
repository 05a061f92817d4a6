#include "verify/merge_states/tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "verify/views.h"

namespace attnjit::gpu_tests {
namespace {

using reference::FillParams;
using reference::Pattern;

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// `count` tokens from `first` on, every `step`-th.
Tensor tokens_of(Tensor tensor, std::int64_t first, std::int64_t count, std::int64_t step) {
  if (tensor.data != nullptr) {
    tensor.data = static_cast<char*>(tensor.data) + first * tensor.strides[0] * size_in_bytes(tensor.dtype);
  }
  tensor.shape[0] = count;
  tensor.strides[0] *= step;
  return tensor;
}

/// Views a tensor [T, ...] that is the first state as [N, T, ...].
Tensor with_states(const Tensor& first, std::int64_t states, std::int64_t stride) {
  Tensor all = first;
  ++all.rank;
  std::copy_backward(first.shape.begin(), first.shape.end() - 1, all.shape.end());
  std::copy_backward(first.strides.begin(), first.strides.end() - 1, all.strides.end());
  all.shape[0] = states;
  all.strides[0] = stride;
  return all;
}

/// The form the plain kernels fill: a tensor [tokens, heads] has one column.
Tensor as_rows(const Tensor& lse) {
  return Tensor::strided(lse.data, lse.dtype, {lse.shape[0], lse.shape[1], 1}, {lse.strides[0], lse.strides[1], 1});
}

reference::Rows lse_rows(const Tensor& lse) { return {lse.data, lse.strides[0], lse.strides[1]}; }

}  // namespace

bool MergeOutput::operator==(const MergeOutput& other) const {
  return out_16bit == other.out_16bit && out_e4m3 == other.out_e4m3 && same_bits(out_float, other.out_float) &&
         same_bits(lse, other.lse) && wrong_place == other.wrong_place;
}

// ---- placing -------------------------------------------------------------------------------------------------------

MergeTensors::MergeTensors(const MergeCase& c, const reference::PlainKernels& plain) : case_(c), placed_(plain) {
  place_states();
  place_outputs();
  if (c.out_dtype() == DType::kFloat8E4M3) params_.out_scale = placed_.vector(std::vector{c.out_scale});
  fill_inputs();
}

int MergeTensors::state_in_place() const {
  if (case_.in_place == InPlace::kNo) return -1;
  return case_.in_place == InPlace::kFirstState ? 0 : case_.states - 1;
}

void MergeTensors::place_states() {
  const std::int64_t tokens = case_.tokens + case_.spare_tokens;
  const std::int64_t heads = case_.heads;
  const std::int64_t columns = case_.config.head_dim;
  // Tensors written in place are surrounded by the outputs' poison.
  const auto outs = [&](bool written, std::int64_t rows) {
    return written ? placed_.output("out", case_.outs, case_.config.dtype, rows, heads, columns)
                   : placed_.input(case_.outs, case_.config.dtype, rows, heads, columns);
  };
  const auto lses = [&](bool written, std::int64_t rows) {
    return written ? placed_.output_lse("lse", case_.lses, rows, heads) : placed_.input_lse(case_.lses, rows, heads);
  };
  if (case_.form == StateForm::kTwo) {
    for (int i = 0; i < 2; ++i) {
      const bool written = state_in_place() == i;
      states_.push_back({outs(written, tokens), lses(written, tokens)});
    }
    params_.out_a = tokens_of(states_[0].out, 0, case_.tokens, 1);
    params_.lse_a = tokens_of(states_[0].lse, 0, case_.tokens, 1);
    params_.out_b = tokens_of(states_[1].out, 0, case_.tokens, 1);
    params_.lse_b = tokens_of(states_[1].lse, 0, case_.tokens, 1);
  } else {
    // One tensor with all states' tokens.
    const bool written = case_.in_place != InPlace::kNo;
    const std::int64_t all = case_.states * tokens;
    const Tensor out = outs(written, all);
    const Tensor lse = lses(written, all);
    const bool states_first = case_.form == StateForm::kStatesFirst;
    const std::int64_t next = states_first ? tokens : 1;  // from one state to the next
    const std::int64_t step = states_first ? 1 : case_.states;
    for (int i = 0; i < case_.states; ++i) {
      states_.push_back({tokens_of(out, i * next, tokens, step), tokens_of(lse, i * next, tokens, step)});
    }
    const Tensor first_out = states_.empty() ? tokens_of(out, 0, 0, 1) : states_[0].out;
    const Tensor first_lse = states_.empty() ? tokens_of(lse, 0, 0, 1) : states_[0].lse;
    params_.outs = with_states(tokens_of(first_out, 0, case_.tokens, 1), case_.states, next * out.strides[0]);
    params_.lses = with_states(tokens_of(first_lse, 0, case_.tokens, 1), case_.states, next * lse.strides[0]);
  }
  for (State& state : states_) {
    state.out = tokens_of(state.out, 0, case_.tokens, 1);
    state.lse = tokens_of(state.lse, 0, case_.tokens, 1);
  }
}

void MergeTensors::place_outputs() {
  if (const int state = state_in_place(); state >= 0) {
    params_.out = states_[state].out;
    params_.lse = states_[state].lse;
    return;
  }
  const std::int64_t tokens = case_.tokens + case_.spare_tokens;
  const Tensor out = placed_.output("out", case_.out, case_.out_dtype(), tokens, case_.heads, case_.config.head_dim);
  params_.out = tokens_of(out, 0, case_.tokens, 1);
  const Tensor lse = placed_.output_lse("lse", case_.lse, tokens, case_.heads);
  if (lse.given()) params_.lse = tokens_of(lse, 0, case_.tokens, 1);
}

// ---- contents ------------------------------------------------------------------------------------------------------

void MergeTensors::fill_inputs() const {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    FillParams out{.seed = case_.seed + 10 * i};
    FillParams lse{.seed = case_.seed + 10 * i + 1, .mean = 5, .deviation = 2};
    if (case_.lse_data == LseData::kFar) lse.deviation = 1e4f;
    if (case_.lse_data == LseData::kEqual) lse.deviation = 0;
    if (!case_.absent.empty()) {
      out.pattern = lse.pattern = Pattern::kSpikes;
      out.spike = std::nanf("");
      lse.spike = case_.absent[i % case_.absent.size()];
      out.period = lse.period = case_.absent_period > 0 ? case_.absent_period : 2 + static_cast<int>(i % 3);
    }
    placed_.fill(state.out, out);
    placed_.fill(as_rows(state.lse), lse);
    if (case_.poisoned_token >= 0) {
      placed_.fill(tokens_of(state.out, case_.poisoned_token, 1, 1), {.mean = std::nanf("")});
    }
  }
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

// ---- results -------------------------------------------------------------------------------------------------------

MergeOutput MergeTensors::take_output() const {
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  MergeOutput output;
  std::string& trouble = output.wrong_place;
  switch (params_.out.dtype) {
    case DType::kFloat8E4M3:
      output.out_e4m3 = placed_.take<std::uint8_t>(params_.out, "out", case_.tokens, trouble);
      break;
    case DType::kFloat32: output.out_float = placed_.take<float>(params_.out, "out", case_.tokens, trouble); break;
    default: output.out_16bit = placed_.take<std::uint16_t>(params_.out, "out", case_.tokens, trouble); break;
  }
  if (params_.lse.given()) output.lse = placed_.take<float>(params_.lse, "lse", case_.tokens, trouble);
  // In place, the other states share the written one's buffer: that space is not unused.
  if (case_.form != StateForm::kTwo && case_.in_place != InPlace::kNo) {
    std::string ignored;
    for (int i = 0; i < case_.states; ++i) {
      if (i == state_in_place()) continue;
      if (params_.out.dtype == DType::kFloat32) {
        placed_.take<float>(states_[i].out, "a state", case_.tokens, ignored);
      } else {
        placed_.take<std::uint16_t>(states_[i].out, "a state", case_.tokens, ignored);
      }
      placed_.take<float>(states_[i].lse, "a state", case_.tokens, ignored);
    }
  }
  trouble += placed_.check_untouched();
  return output;
}

reference::Expected MergeTensors::expected() const {
  const int columns = case_.config.head_dim;
  const std::int64_t rows = std::int64_t{case_.tokens} * case_.heads;
  const DeviceBuffer out(rows * columns * 8), lse(rows * 8), magnitude(rows * 8), yardstick(rows * columns * 4);
  reference::MergeParams p;
  if (!states_.empty()) {
    p.out = rows_of(states_[0].out);
    p.lse = lse_rows(states_[0].lse);
  }
  if (case_.form == StateForm::kTwo) {
    p.apart = true;
    p.second_out = rows_of(states_[1].out);
    p.second_lse = lse_rows(states_[1].lse);
  } else {
    p.out_state_stride = params_.outs.strides[0];
    p.lse_state_stride = params_.lses.strides[0];
  }
  p.element = element_of(case_.config.dtype);
  p.states = static_cast<int>(states_.size());
  p.tokens = case_.tokens;
  p.heads = case_.heads;
  p.columns = columns;
  p.merged_out = out.data<double>();
  p.merged_lse = lse.data<double>();
  p.magnitude = magnitude.data<double>();
  p.yardstick_out = yardstick.data<float>();
  placed_.plain().merge(p, nullptr);

  reference::Expected expected{
      .tokens = case_.tokens, .heads = case_.heads, .columns = columns, .element = element_of(case_.out_dtype())};
  expected.out = out.download<double>();
  expected.lse = lse.download<double>();
  expected.magnitude = magnitude.download<double>();
  expected.yardstick = yardstick.download<float>();
  if (case_.poisoned_token >= 0) {
    expected.judged_tokens.assign(static_cast<std::size_t>(case_.tokens), 1);
    expected.judged_tokens[static_cast<std::size_t>(case_.poisoned_token)] = 0;
  }
  return expected;
}

MergeVerdict judge(const MergeCase& c, const reference::Expected& expected, const MergeOutput& output) {
  MergeVerdict verdict;
  switch (c.out_dtype()) {
    case DType::kFloat8E4M3: verdict.out = judge_e4m3(expected, output.out_e4m3, c.out_scale); break;
    case DType::kFloat32: verdict.out = judge_float(expected, output.out_float); break;
    default: verdict.out = judge_16bit(expected, output.out_16bit); break;
  }
  verdict.has_lse = !output.lse.empty();
  if (verdict.has_lse) verdict.lse = judge_lse(expected, output.lse);
  return verdict;
}

std::string MergeVerdict::trouble(const MergeOutput& output) const {
  if (!output.wrong_place.empty()) return output.wrong_place;
  if (!out.ok()) return "out: " + out.message();
  return has_lse && !lse.ok() ? "lse: " + lse.message() : "";
}

}  // namespace attnjit::gpu_tests
