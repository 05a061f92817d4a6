// Tile copies through the emulator's tensor maps: what a box holds, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <stdexcept>
#include <vector>

#include "emulator/tensor_map.h"
#include "ptx/memory.cuh"
#include "ptx/tma.cuh"
#include "tests/emulator/planted.h"

namespace attnjit::emulator_tests {
namespace {

using namespace kernel;  // NOLINT: what follows is kernel text
using emulator::FaultKind;

struct BoxParams {
  TensorMap map;
  u16* out;
  int token, head, column;
};
struct BoxShared {
  alignas(1024) u16 box[16][kSlabColumns];
  Mbarrier full;
};

void fetch_box(const BoxParams& p) {
  BoxShared& shared = dynamic_shared<BoxShared>();
  if (thread_index() == 0) {
    mbarrier_init(address_of(shared.full), 1);
    fence_mbarrier_init();
    mbarrier_arrive_expect(address_of(shared.full), sizeof(shared.box));
    tma_load(address_of(shared.box), p.map, address_of(shared.full), p.column, p.head, p.token);
    mbarrier_wait(address_of(shared.full), 0);
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 64; ++column) {
        p.out[row * 64 + column] = shared.box[row][(column / 8 ^ row % 8) * 8 + column % 8];
      }
    }
  }
}

TEST(TileCopy, OutsideTheTensorIsZero) {
  constexpr int kTokens = 20, kHeads = 2, kColumns = 80;
  std::vector<u16> tensor(kTokens * kHeads * kColumns);
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<u16>(i + 1);
  std::vector<u16> out(16 * 64);
  BoxParams p{.map = {}, .out = out.data(), .token = 0, .head = 0, .column = 0};
  emulator::describe_tensor({.rows = {tensor.data(), kHeads * kColumns, kColumns},
                             .tokens = kTokens,
                             .heads = kHeads,
                             .columns = kColumns,
                             .box_rows = 16},
                            p.map);
  for (const int token : {-3, 0, 9, 40}) {
    for (const int column : {0, 64}) {
      p.token = token;
      p.column = column;
      p.head = 1;
      ASSERT_FALSE((run_planted<BoxParams, fetch_box>(p, {.ctas = 1, .threads = 32, .smem_bytes = sizeof(BoxShared)})));
      for (int row = 0; row < 16; ++row) {
        for (int i = 0; i < 64; ++i) {
          const int t = token + row;
          const int c = column + i;
          const bool inside = t >= 0 && t < kTokens && c < kColumns;
          const auto at = static_cast<std::size_t>((t * kHeads + 1) * kColumns + c);
          ASSERT_EQ(out[static_cast<std::size_t>(row * 64 + i)], inside ? tensor[at] : 0) << token << " " << row;
        }
      }
    }
  }
}

TEST(TileCopy, BeginsAtMultiplesOf16Bytes) {
  alignas(16) u16 data[64] = {};
  u16 out[16 * 64];
  BoxParams p{.map = {}, .out = out, .token = 0, .head = 0, .column = 4};
  emulator::describe_tensor({.rows = {data, 0, 64}, .tokens = 1, .heads = 1, .columns = 64, .box_rows = 16}, p.map);
  const auto fault = run_planted<BoxParams, fetch_box>(p, {.ctas = 1, .threads = 32, .smem_bytes = sizeof(BoxShared)});
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kMisaligned);
  EXPECT_THAT(fault->what(), testing::HasSubstr("begins 8 bytes into a row, no multiple of 16"));
}

TEST(TileCopy, WordsOfAMaskLieAsInMemory) {
  constexpr int kTokens = 3, kWords = 10, kStride = 12;
  alignas(16) u32 mask[kTokens * kStride];
  for (u32 i = 0; i < std::size(mask); ++i) mask[i] = i + 1;
  TensorMap map;
  emulator::describe_tensor({.rows = {mask, kStride, kStride},
                             .tokens = kTokens,
                             .heads = 1,
                             .columns = kWords,
                             .box_rows = 4,
                             .box_columns = runtime::BoxColumns::kMaskWords},
                            map);
  const emulator::TensorDescription* const tensor = emulator::description_of(map);
  ASSERT_NE(tensor, nullptr);
  ASSERT_EQ(tensor->box_bytes(), 4u * kMaskBoxWords * 4);
  u32 box[4][kMaskBoxWords];
  emulator::copy_box(*tensor, 4, 0, 1, reinterpret_cast<u8*>(box), 0);
  for (int row = 0; row < 4; ++row) {
    for (int i = 0; i < kMaskBoxWords; ++i) {
      const bool inside = row + 1 < kTokens && i + 4 < kWords;
      EXPECT_EQ(box[row][i], inside ? mask[(row + 1) * kStride + i + 4] : 0u) << row << " " << i;
    }
  }
}

TEST(TileCopy, RefusesWhatTheDriverRefuses) {
  alignas(16) u16 data[64] = {};
  TensorMap map;
  const runtime::TensorMapRequest right{.rows = {data, 0, 64}, .tokens = 1, .heads = 1, .columns = 64, .box_rows = 64};
  EXPECT_NO_THROW(emulator::describe_tensor(right, map));
  auto wrong = right;
  wrong.rows.data = data + 1;
  EXPECT_THROW(emulator::describe_tensor(wrong, map), std::invalid_argument);
  wrong = right;
  wrong.rows.token_stride = 4;
  EXPECT_THROW(emulator::describe_tensor(wrong, map), std::invalid_argument);
  wrong = right;
  wrong.tokens = 0;
  EXPECT_THROW(emulator::describe_tensor(wrong, map), std::invalid_argument);
  wrong = right;
  wrong.box_rows = 257;
  EXPECT_THROW(emulator::describe_tensor(wrong, map), std::invalid_argument);
}

}  // namespace
}  // namespace attnjit::emulator_tests
