// The tensors of one case on the device: placed, filled, poisoned all around; their outputs taken and checked. The tests
// of the emulator build the same text with another body of device.h, for which the host is the device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/mha_varlen.hpp"
#include "tests/gpu/case.h"
#include "tests/gpu/device.h"
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
  /// What the plain kernels make of the same inputs.
  reference::Expected expected() const;

 private:
  enum class Kind { kInput, kOutput };
  struct Placement;
  static Placement place(Storage storage, std::int64_t tokens, std::int64_t heads, std::int64_t columns);
  Tensor make(Kind kind, Storage storage, DType dtype, std::int64_t tokens, std::int64_t heads, std::int64_t columns);
  void make_query(const Case& c);
  void make_keys_and_values(const Case& c);
  void make_outputs(const Case& c);
  void make_lse(const Case& c);
  void fill_inputs(const Case& c);
  void fill(const Tensor& tensor, reference::FillParams params) const;
  void poison_sequence(int sequence) const;
  std::string check_untouched(const DeviceBuffer& buffer, int element_bytes, std::uint32_t poison,
                              const char* name) const;
  reference::AttentionParams attention_params() const;

  const reference::PlainKernels& plain_;
  MhaVarlenConfig config_;
  MhaVarlenParams params_;
  int poisoned_sequence_;
  std::vector<int> cu_q_, cu_k_;
  std::vector<DeviceBuffer> buffers_;
  std::size_t out_buffer_ = 0;  // index into buffers_
  std::size_t lse_buffer_ = 0;
};

}  // namespace attnjit::gpu_tests
