#include "emulator/products.h"

#include <cstring>
#include <limits>

#include "emulator/ptx/numbers.h"

namespace attnjit::emulator {
namespace {

constexpr int kRows = 64;
constexpr int kDepth = 16;
constexpr int kMaxColumns = 256;

/// Row and column in d [64, columns] of register i of thread t. Tile n has columns 8 n to 8 n + 7.
constexpr int row_of(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + i / 2 * 8; }
constexpr int column_of(int thread, int tile, int i) { return tile * 8 + thread % 4 * 2 + i % 2; }

template <class Use>
void for_each_element(int columns, const Use& use) {
  for (int thread = 0; thread < kWarpgroupThreads; ++thread) {
    for (int tile = 0; tile < columns / 8; ++tile) {
      for (int i = 0; i < 4; ++i) use(thread, tile * 4 + i, row_of(thread, i) * columns + column_of(thread, tile, i));
    }
  }
}

template <kernel::Element kElement>
void multiply(const Products::Product& product, const u8* shared, float* d) {
  using kernel::emulated::float_of_16bit;
  const Machine::Wgmma& operation = product.operation;
  const int columns = operation.columns;
  const auto element = [&](u32 address) {
    u16 bits;
    std::memcpy(&bits, shared + address, 2);
    return float_of_16bit<kElement>(bits);
  };
  float a[kRows][kDepth];
  if (operation.a_registers == nullptr) {
    const MatrixDescriptor from(operation.a);
    for (int row = 0; row < kRows; ++row) {
      for (int k = 0; k < kDepth; ++k) a[row][k] = element(from.row_major(row, k));
    }
  } else {
    // Laid out like the A operand of mma.sync: register i holds rows l / 4 + 8 (i % 2), elements 2 (l % 4) + 8 (i / 2)
    // and the next one.
    for (int thread = 0; thread < kWarpgroupThreads; ++thread) {
      for (int i = 0; i < 4; ++i) {
        const u32 pair = product.a[static_cast<std::size_t>(thread)][i];
        const int row = thread / 32 * 16 + thread % 32 / 4 + i % 2 * 8;
        const int k = thread % 4 * 2 + i / 2 * 8;
        a[row][k] = float_of_16bit<kElement>(pair);
        a[row][k + 1] = float_of_16bit<kElement>(pair >> 16);
      }
    }
  }
  float b[kDepth][kMaxColumns];
  const MatrixDescriptor from(operation.b);
  for (int column = 0; column < columns; ++column) {
    for (int k = 0; k < kDepth; ++k) {
      b[k][column] = element(operation.b_by_rows ? from.row_major(column, k) : from.column_major(k, column));
    }
  }
  if (!operation.accumulate) std::fill(d, d + kRows * columns, 0.f);
  for (int row = 0; row < kRows; ++row) {
    float* const to = d + row * columns;
    for (int k = 0; k < kDepth; ++k) {
      const float factor = a[row][k];
      for (int column = 0; column < columns; ++column) to[column] += factor * b[k][column];
    }
  }
}

}  // namespace

MatrixDescriptor::MatrixDescriptor(u64 bits)
    : start(static_cast<u32>(bits & 0x3fff) << 4),
      leading(static_cast<u32>(bits >> 16 & 0x3fff) << 4),
      stride(static_cast<u32>(bits >> 32 & 0x3fff) << 4),
      layout(static_cast<u32>(bits >> 62)),
      base_offset(static_cast<u32>(bits >> 49 & 7)) {}

void Products::for_each_chunk(const Machine::Wgmma& operation, const std::function<void(u32)>& use) {
  constexpr int kChunk = 8;  // elements
  if (operation.a_registers == nullptr) {
    const MatrixDescriptor a(operation.a);
    for (int row = 0; row < kRows; ++row) {
      for (int k = 0; k < kDepth; k += kChunk) use(a.row_major(row, k));
    }
  }
  const MatrixDescriptor b(operation.b);
  if (operation.b_by_rows) {
    for (int column = 0; column < operation.columns; ++column) {
      for (int k = 0; k < kDepth; k += kChunk) use(b.row_major(column, k));
    }
  } else {
    for (int k = 0; k < kDepth; ++k) {
      for (int column = 0; column < operation.columns; column += kChunk) use(b.column_major(k, column));
    }
  }
}

void Products::issue(const Product& product, const u8* shared, Completion completion, Random& random) {
  const int columns = product.operation.columns;
  Accumulators& accumulators = accumulators_[product.d[0]];
  if (accumulators.users++ == 0) {
    accumulators.values.resize(static_cast<std::size_t>(kRows * columns));
    for_each_element(columns, [&](int thread, int i, int at) {
      float& value = product.d[static_cast<std::size_t>(thread)][i];
      accumulators.values[static_cast<std::size_t>(at)] = value;
      value = std::numeric_limits<float>::quiet_NaN();
    });
  }
  queue_.push_back(product);
  if (completion == Completion::kEarly || (completion == Completion::kRandom && random.one_in(4))) {
    while (!queue_.empty()) finish_first(shared);
  }
}

void Products::finish_first(const u8* shared) {
  const Product product = queue_.front();
  queue_.pop_front();
  const auto found = accumulators_.find(product.d[0]);
  Accumulators& accumulators = found->second;
  if (product.operation.element == kernel::Element::kBFloat16) {
    multiply<kernel::Element::kBFloat16>(product, shared, accumulators.values.data());
  } else {
    multiply<kernel::Element::kFloat16>(product, shared, accumulators.values.data());
  }
  if (--accumulators.users > 0) return;
  for_each_element(product.operation.columns, [&](int thread, int i, int at) {
    product.d[static_cast<std::size_t>(thread)][i] = accumulators.values[static_cast<std::size_t>(at)];
  });
  accumulators_.erase(found);
}

void Products::finish(std::int64_t first_pending, const u8* shared) {
  while (!queue_.empty() && queue_.front().group < first_pending) finish_first(shared);
}

void Products::finish_some(const u8* shared, Random& random) {
  while (!queue_.empty() && !random.one_in(4)) finish_first(shared);
}

void Products::forget() {
  queue_.clear();
  accumulators_.clear();
}

}  // namespace attnjit::emulator
