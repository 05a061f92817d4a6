// The tensors of one mla_decode case on the device: placed, paged, filled, poisoned all around; outputs taken and
// checked.
#pragma once

#include <cstdint>
#include <vector>

#include "attnjit/mla_decode.hpp"
#include "tests/gpu/case_tensors.h"
#include "tests/gpu/decode_case.h"
#include "tests/gpu/placed_tensors.h"
#include "tests/reference/accuracy.h"

namespace attnjit::gpu_tests {

/// The keys that a call sees: which slots of the cache, and what it is told of other ranks.
struct DecodeKeys {
  std::vector<int> page_list;
  std::vector<std::int64_t> page_begin;  // [B], into page_list
  std::vector<int> seq_lens;
  std::vector<int> total_seq_lens{};  // empty: seq_lens
  int cp_rank = 0;
  int cp_world = 1;
};

class DecodeTensors {
 public:
  DecodeTensors(const DecodeCase& c, const reference::PlainKernels& plain);

  /// All but the workspace.
  const MlaDecodeParams& params() const { return params_; }
  MlaDecodeBounds bounds() const;
  /// Other lengths, and other pages, for the same tensors. The longest may not grow; packed tokens keep their sum.
  void set_lengths(const std::vector<int>& seq_lens, const std::vector<int>& packed_q, std::uint64_t page_seed);
  /// The same keys as 16-bit values of the queries' type, in a cache of their own: for an operator of kSame.
  MlaDecodeParams with_16bit_cache();
  /// The pages of a sequence, in order.
  std::vector<int> pages_of(int sequence) const;

  /// Waits for the device, takes the outputs out, [tokens, heads, R], and leaves poison where they were.
  Output take_output() const;
  /// What the plain kernels make of the same inputs.
  reference::Expected expected() const;
  /// The same if the call were to see these keys of the cache instead.
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
  std::vector<std::vector<std::uint8_t>> keys_;  // rows as they are stored, which the sequences' keys are drawn from
  std::int64_t pages_ = 0;                       // of the cache
  int pages_per_sequence_ = 0;                   // at most
  int table_row_ = 0;                            // from one row of the table to the next
  std::vector<int> page_list_;                   // the table, or the indices
  std::vector<std::int64_t> page_begin_;         // [B], into page_list_
};

}  // namespace attnjit::gpu_tests
