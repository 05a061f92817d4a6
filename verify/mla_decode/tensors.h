// The tensors of one mla_decode case on the device: placed, paged, filled and surrounded by poison; outputs are read
// back and checked.
#pragma once

#include <cstdint>
#include <vector>

#include "attnjit/mla_decode.hpp"
#include "verify/mha_varlen/tensors.h"
#include "verify/mla_decode/case.h"
#include "verify/placed_tensors.h"
#include "verify/reference/accuracy.h"

namespace attnjit::gpu_tests {

/// The keys a call sees: which slots of the cache, and what it is passed about other ranks.
struct DecodeKeys {
  std::vector<int> page_list;
  std::vector<std::int64_t> page_begin;  // [B], into page_list
  std::vector<int> seq_lens;
  std::vector<int> total_seq_lens{};  // empty: same as seq_lens
  int cp_rank = 0;
  int cp_world = 1;
};

class DecodeTensors {
 public:
  DecodeTensors(const DecodeCase& c, const reference::PlainKernels& plain);

  /// All but the workspace.
  const MlaDecodeParams& params() const { return params_; }
  MlaDecodeBounds bounds() const;
  /// Changes lengths and pages of the same tensors. The longest sequence may not grow; packed tokens keep their sum.
  void set_lengths(const std::vector<int>& seq_lens, const std::vector<int>& packed_q, std::uint64_t page_seed);
  /// The same keys as 16-bit values of the queries' type, in a separate cache: for an operator with kSame.
  MlaDecodeParams with_16bit_cache();
  /// The pages of a sequence, in order.
  std::vector<int> pages_of(int sequence) const;

  /// Waits for the device, reads the outputs [tokens, heads, R], and replaces them with poison.
  Output take_output() const;
  /// The plain kernels' result for the same inputs.
  reference::Expected expected() const;
  /// The same for a call that sees these keys of the cache instead.
  reference::Expected expected(const DecodeKeys& keys) const;

 private:
  void make_query();
  void make_cache();
  void make_outputs();
  void make_lengths();
  void deal_pages(std::uint64_t seed);
  void fill_queries() const;
  void make_keys();
  void fill_cache(const Tensor& latent, const Tensor& rope, const std::vector<std::vector<std::uint8_t>>& rows,
                  int latent_bytes) const;
  int key_row(int sequence, int key) const;
  float deviation() const;
  std::int64_t tokens() const { return cu_q_.back(); }

  DecodeCase case_;
  PlacedTensors placed_;
  MlaDecodeParams params_;
  Tensor out_;  // [tokens, heads, R]
  Tensor lse_;  // [tokens, heads], or [B, H, s_q]
  bool batch_first_lse_ = false;
  float cache_scale_ = 1;
  std::vector<int> cu_q_;
  std::vector<std::vector<std::uint8_t>> keys_;  // rows in stored form, from which the sequences' keys are drawn
  std::int64_t pages_ = 0;                       // in the cache
  int pages_per_sequence_ = 0;                   // maximum
  int table_row_ = 0;                            // stride between the table's rows
  std::vector<int> page_list_;                   // the table, or the indices
  std::vector<std::int64_t> page_begin_;         // [B], into page_list_
};

}  // namespace attnjit::gpu_tests
