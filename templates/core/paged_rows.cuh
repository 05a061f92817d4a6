// Loads the keys of a sequence from a paged cache into shared memory, in the format in which they are stored.
#pragma once

#include "core/row_copy.cuh"
#include "shared/tensor_views.h"

namespace attnjit::kernel {

/// One thread's share in copying tiles of kRows consecutive keys. The pages of a tile are looked up one tile ahead, so
/// that the copy does not wait for the block_table.
///
/// In shared memory a stored row is kLatentBytes followed by kRopeBytes; rows lie kPitchBytes apart.
template <int kRows, int kLatentBytes, int kRopeBytes, int kPitchBytes, int kPageSize, int kElementBytes, int kThreads>
class PagedTileCopy {
 public:
  /// `page_list` is the sequence's row of the block_table (or its kv_indices); entries past its `length` keys are never
  /// read.
  ATTNJIT_DEVICE PagedTileCopy(const CacheRows& latent, const CacheRows& rope, const i32* page_list, int length)
      : latent_(latent), rope_(rope), page_list_(page_list), length_(length) {}

  /// Looks up the pages of the tile that begins at `first_key`.
  ATTNJIT_DEVICE void look_up(int first_key) {
    first_key_ = first_key;
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int key = first_key + row(pass);
      page_[pass] = key < length_ ? page_list_[key / kPageSize] : 0;
    }
  }

  /// Issues the copy of the tile that was looked up. Rows past the end of the sequence become zeros: 0 x NaN is NaN.
  ATTNJIT_DEVICE void issue(u32 destination) const {
    const int lane = thread_index() % kLanes;
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int key = first_key_ + row(pass);
      const bool valid = key < length_;
      const u32 to = destination + row(pass) * kPitchBytes;
      copy_row<kLatentBytes / 16, kLanes>(to + lane * 16, address(latent_, page_[pass], key) + lane * 16, lane, valid);
      if constexpr (kRopeBytes > 0) {
        copy_row<kRopeBytes / 16, kLanes>(to + kLatentBytes + lane * 16, address(rope_, page_[pass], key) + lane * 16,
                                          lane, valid);
      }
    }
  }

 private:
  static constexpr int kLanes = 8;
  static constexpr int kRowsPerPass = kThreads / kLanes;
  static constexpr int kPasses = kRows / kRowsPerPass;
  static_assert(kPasses * kRowsPerPass == kRows && kLatentBytes % 16 == 0 && kRopeBytes % 16 == 0);

  ATTNJIT_DEVICE static int row(int pass) { return pass * kRowsPerPass + thread_index() / kLanes; }
  ATTNJIT_DEVICE static const u8* address(const CacheRows& rows, int page, int key) {
    return static_cast<const u8*>(rows.data) +
           (page * rows.page_stride + key % kPageSize * rows.token_stride) * kElementBytes;
  }

  const CacheRows& latent_;
  const CacheRows& rope_;
  const i32* page_list_;
  int length_;
  int first_key_ = 0;
  int page_[kPasses];
};

}  // namespace attnjit::kernel
