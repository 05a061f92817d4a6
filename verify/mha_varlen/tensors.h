// The tensors of one mha_varlen case on the device, and the expected results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/mha_varlen.hpp"
#include "verify/mha_varlen/case.h"
#include "verify/placed_tensors.h"
#include "verify/reference/accuracy.h"
#include "verify/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

/// What a call wrote, row-major, and whether it wrote in the right place.
struct Output {
  std::vector<std::uint16_t> out_16bit;  // [tokens, heads, dv], or
  std::vector<std::uint8_t> out_e4m3;
  std::vector<float> lse;   // [tokens, heads]; empty without lse
  std::string wrong_place;  // empty, or which elements were left out or written outside the outputs

  bool operator==(const Output& other) const;  // bitwise: a NaN equals itself
};

class CaseTensors {
 public:
  CaseTensors(const Case& c, const reference::PlainKernels& plain);

  const MhaVarlenParams& params() const { return params_; }
  /// Splits the same tensors into other sequences; the sums and the longest lengths must fit.
  void set_lengths(const std::vector<int>& len_q, const std::vector<int>& len_k);

  /// Waits for the device, reads the outputs and replaces them with poison.
  Output take_output() const;
  /// The plain kernels' result for the same inputs. `visible` is a mask: one byte per token and key of its sequence, in
  /// rows of the given number of bytes.
  reference::Expected expected(const std::vector<std::uint8_t>& visible = {}, std::int64_t visible_stride = 0) const;
  /// Sets K and V of a sequence's keys [first, first + count) to NaN.
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
