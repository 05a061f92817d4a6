// The wgmma products of one warpgroup: what is under way, and when it is done.
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

/// An operand in shared memory, as its descriptor says (128-byte swizzle). Addresses are those of shared memory.
struct MatrixDescriptor {
  u32 start;
  u32 leading;
  u32 stride;
  u32 layout;  // 1: 128-byte swizzle
  u32 base_offset;

  explicit MatrixDescriptor(u64 bits);
  /// Of elements that run along k: row r, element k.
  u32 row_major(int row, int k) const {
    return swizzled(start + static_cast<u32>(row / 8) * stride + static_cast<u32>(row % 8) * kSlabRowBytes +
                    static_cast<u32>(k) * 2);
  }
  /// Of elements that run along the columns.
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

  /// The 16-byte chunks of shared memory that an operation reads.
  static void for_each_chunk(const Machine::Wgmma& operation, const std::function<void(u32 address)>& use);

  /// `shared` is what lies at shared address 0. Until it is done, the accumulators hold NaN.
  void issue(const Product& product, const u8* shared, Completion completion, Random& random);
  /// All products of groups before `first_pending` are done.
  void finish(std::int64_t first_pending, const u8* shared);
  /// The oldest ones are done.
  void finish_some(const u8* shared, Random& random);
  bool empty() const { return queue_.empty(); }
  void forget();

 private:
  struct Accumulators {
    std::vector<float> values;  // [64][columns]
    int users = 0;              // products under way
  };
  void finish_first(const u8* shared);

  std::deque<Product> queue_;
  std::map<const float*, Accumulators> accumulators_;  // in flight, by those of the first thread
};

}  // namespace attnjit::emulator
