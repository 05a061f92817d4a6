// The tensors of one case of mha_varlen on the device, and what should come of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/mha_varlen.hpp"
#include "tests/gpu/case.h"
#include "tests/gpu/placed_tensors.h"
#include "tests/reference/accuracy.h"
#include "tests/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

/// What a call wrote, row-major, and whether it wrote where it should.
struct Output {
  std::vector<std::uint16_t> out_16bit;  // [tokens, heads, dv], or
  std::vector<std::uint8_t> out_e4m3;
  std::vector<float> lse;   // [tokens, heads], empty without lse
  std::string wrong_place;  // empty, or which elements were left out or written although nobody's

  bool operator==(const Output& other) const;  // bit for bit: a NaN equals itself
};

class CaseTensors {
 public:
  CaseTensors(const Case& c, const reference::PlainKernels& plain);

  const MhaVarlenParams& params() const { return params_; }
  /// The same tensors cut into other sequences; the sums must fit, as must the longest lengths.
  void set_lengths(const std::vector<int>& len_q, const std::vector<int>& len_k);

  /// Waits for the device, takes the outputs out and leaves poison where they were.
  Output take_output() const;
  /// What the plain kernels make of the same inputs; with `visible` under a mask, a byte per token and key of its
  /// sequence, in rows of so many bytes.
  reference::Expected expected(const std::vector<std::uint8_t>& visible = {}, std::int64_t visible_stride = 0) const;
  /// Makes NaN of K and V at the keys [first, first + count) of a sequence.
  void poison_keys(int sequence, int first, int count) const;

  const std::vector<int>& cu_q() const { return cu_q_; }
  const std::vector<int>& cu_k() const { return cu_k_; }

 private:
  void make_query(const Case& c);
  void make_keys_and_values(const Case& c);
  void make_outputs(const Case& c);
  void fill_inputs(const Case& c);
  void poison_sequence(int sequence) const;
  reference::AttentionParams attention_params() const;

  PlacedTensors placed_;
  MhaVarlenConfig config_;
  MhaVarlenParams params_;
  int poisoned_sequence_;
  std::vector<int> cu_q_, cu_k_;
};

}  // namespace attnjit::gpu_tests
