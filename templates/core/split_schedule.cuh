// Split-KV: divides the key blocks of all sequences among the CTAs of a launch, from lengths that only the device
// knows.
//
// The blocks of all sequences, concatenated, are cut into `parts` equal splits. A split thus owns the end of one
// sequence, some whole ones and the beginning of another, or the middle of a long one. Every sequence has at least one
// block, so that a sequence without keys also has an owner.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

template <int kBlockN>
ATTNJIT_DEVICE int key_blocks(int length) {
  return max_of(1, ceil_div(length, kBlockN));
}

/// The blocks of one split, and its first sequence. Every warp computes it for itself.
template <int kBlockN>
struct SplitRange {
  int share;           // blocks per split
  int begin;           // first block, counted over all sequences
  int end;             // one past the last; <= begin: nothing to do
  int sequence;        // the sequence that holds block `begin`
  int sequence_begin;  // first block of that sequence

  ATTNJIT_DEVICE SplitRange(const i32* seq_lens, int batch, int part, int parts) {
    const int lane = thread_index() % 32;
    int total = 0;
    for (int b = lane; b < batch; b += 32) total += key_blocks<kBlockN>(seq_lens[b]);
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) total += shuffle_xor(total, distance);
    share = ceil_div(total, parts);
    begin = part * share;
    end = min_of(begin + share, total);
    sequence = 0;
    sequence_begin = 0;
    if (begin >= end) return;

    // 32 sequences at a time: prefix sums, and the first sequence that ends after `begin`.
    for (int first = 0;; first += 32) {
      const int blocks = first + lane < batch ? key_blocks<kBlockN>(seq_lens[first + lane]) : 0;
      int sum = blocks;
#pragma unroll
      for (int distance = 1; distance < 32; distance *= 2) {
        const int below = shuffle_up(sum, distance);
        if (lane >= distance) sum += below;
      }
      const u32 behind = ballot(sequence_begin + sum > begin);
      if (behind != 0) {
        const int found = lowest_bit(behind);
        sequence = first + found;
        sequence_begin += shuffle_from(sum - blocks, found);
        return;
      }
      sequence_begin += shuffle_from(sum, 31);
    }
  }
};

}  // namespace attnjit::kernel
