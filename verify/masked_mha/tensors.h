// The tensors of one masked case: those of attention, indices, the mask built from them, and the expected results. What
// is visible is computed on the host from the indices, without any mask.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/masked_mha.hpp"
#include "verify/masked_mha/case.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/placed_tensors.h"

namespace attnjit::gpu_tests {

class MaskedTensors {
 public:
  MaskedTensors(const MaskedCase& c, const reference::PlainKernels& plain);

  const MaskFromTopkParams& build_params() const { return build_; }
  const MaskedMhaParams& params() const { return params_; }
  /// Per token.
  const std::vector<std::vector<int>>& indices() const { return indices_; }

  /// Changes the lengths, which must fit as for CaseTensors::set_lengths(), and draws new indices with another seed.
  void change(const std::vector<int>& len_q, const std::vector<int>& len_k, std::uint64_t seed);

  Output take_output() const { return attention_.take_output(); }
  /// Empty, or what is wrong with the mask that was built, or with the workspace. Replaces the mask with poison.
  std::string take_mask() const;
  reference::Expected expected() const;

 private:
  void draw_indices(std::uint64_t seed);
  void upload_indices() const;
  std::vector<std::uint32_t> expected_mask() const;

  MaskedCase c_;
  CaseTensors attention_;
  PlacedTensors placed_;
  std::vector<std::vector<int>> indices_;   // per token
  Tensor indices_at_, mask_at_, tiles_at_;  // [rows, 1, columns]
  DeviceBuffer workspace_;
  MaskFromTopkParams build_;
  MaskedMhaParams params_;
};

}  // namespace attnjit::gpu_tests
