// The wgmma operations of one warpgroup: which are in flight, and when they complete.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "emulator/async_copies.h"
#include "emulator/ptx/machine.h"
#include "emulator/random.h"

namespace attnjit::emulator {

/// A shared memory operand, decoded from its matrix descriptor (128-byte swizzle). Addresses are shared addresses.
struct MatrixDescriptor {
  u32 start;
  u32 leading;
  u32 stride;
  u32 layout;  // 1: 128-byte swizzle
  u32 base_offset;

  explicit MatrixDescriptor(u64 bits);
  /// Element k of row r, for elements that run along k.
  u32 row_major(int row, int k) const {
    return swizzled(start + static_cast<u32>(row / 8) * stride + static_cast<u32>(row % 8) * kSlabRowBytes +
                    static_cast<u32>(k) * 2);
  }
  /// The same for elements that run along the columns.
  u32 column_major(int k, int column) const {
    return swizzled(start + static_cast<u32>(column / 64) * leading + static_cast<u32>(k / 8) * stride +
                    static_cast<u32>(k % 8) * kSlabRowBytes + static_cast<u32>(column % 64) * 2);
  }
};

class Products {
 public:
  struct Product {
    Machine::Wgmma operation;  // of the first thread
    std::array<float*, kWarpgroupThreads> d;
    std::array<const u32*, kWarpgroupThreads> a;
    u32 group;
  };

  /// Visits the 16-byte chunks of shared memory that an operation reads.
  static void for_each_chunk(const Machine::Wgmma& operation, const std::function<void(u32 address)>& use);

  /// `shared` is what would be at shared address 0. The accumulators hold NaN until the operation completes.
  void issue(const Product& product, const u8* shared, Completion completion, Random& random);
  /// Completes all operations of groups before `first_pending`.
  void finish(std::int64_t first_pending, const u8* shared);
  /// Completes some of the oldest operations.
  void finish_some(const u8* shared, Random& random);
  bool empty() const { return queue_.empty(); }
  void forget();

 private:
  struct Accumulators {
    std::vector<float> values;  // [64][columns]
    int users = 0;              // operations in flight
  };
  void finish_first(const u8* shared);

  std::deque<Product> queue_;
  std::map<const float*, Accumulators> accumulators_;  // in flight, keyed by the first thread's accumulators
};

}  // namespace attnjit::emulator
