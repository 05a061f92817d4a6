// mbarriers, named barriers, tile copies and wgmma in small kernels: values, and planted faults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "emulator/tensor_map.h"
#include "ptx/memory.cuh"
#include "ptx/tma.cuh"
#include "ptx/wgmma.cuh"
#include "tests/emulator/planted.h"

namespace attnjit::emulator_tests {
namespace {

using namespace kernel;  // NOLINT: what follows is kernel text
using emulator::Completion;
using emulator::FaultKind;
using emulator::Grid;
using emulator::LaunchOptions;
using testing::AllOf;
using testing::HasSubstr;

constexpr LaunchOptions kRace{.race_check = true};
constexpr int kRows = 64;

/// What a kernel omits or does wrong.
enum class Planted {
  kNothing,
  kInit,
  kInitFence,
  kExpect,
  kWait,
  kWrongPhase,
  kExtraArrival,
  kNoSwizzle,
  kProxyFence,
  kBarrier,
  kWgmmaFence,
  kCommit,
  kWgmmaWait,
  kEarlyRelease,
};

struct Params {
  TensorMap a;       // [64 tokens, 1 head, 64 columns]
  TensorMap b;       // the same; read as [64, 64] by rows and as [64, 64] by columns
  const u16* plain;  // the elements of a
  float* out;        // [2][64][64]
};

struct Shared {
  alignas(1024) u16 a[kRows][kSlabColumns];
  u16 b[kRows][kSlabColumns];
  Mbarrier full, empty;
};

void store_tile(const float (&d)[8][4], float* out) {
  const int row = thread_index() / 32 * 16 + thread_index() % 32 / 4;
  for (int t = 0; t < 8; ++t) {
    for (int i = 0; i < 4; ++i) out[(row + i / 2 * 8) * 64 + t * 8 + thread_index() % 4 * 2 + i % 2] = d[t][i];
  }
}

/// out[0] = a b^T by wgmma_ss, with a stored to shared memory by threads; out[1] = a b by wgmma_rs, with a in
/// registers.
template <Planted kPlanted>
void products(const Params& p) {
  Shared& shared = dynamic_shared<Shared>();
  if (thread_index() == 0) {
    if constexpr (kPlanted != Planted::kInit) mbarrier_init(address_of(shared.full), 1);
    mbarrier_init(address_of(shared.empty), 4);
    if constexpr (kPlanted != Planted::kInitFence) fence_mbarrier_init();
  }
  sync_block();
  if (thread_index() == 0) {
    if constexpr (kPlanted != Planted::kExpect) mbarrier_arrive_expect(address_of(shared.full), sizeof(shared.b));
    tma_load(address_of(shared.b), p.b, address_of(shared.full), 0, 0, 0);
    if constexpr (kPlanted == Planted::kExtraArrival) mbarrier_arrive(address_of(shared.full));
  }
  for (int i = thread_index(); i < kRows * 8; i += 128) {
    const int row = i / 8;
    const int chunk = kPlanted == Planted::kNoSwizzle ? i % 8 : i % 8 ^ row % 8;
    store_shared_16(address_of(shared.a[row]) + static_cast<u32>(chunk) * 16, load_global_16(p.plain + i * 8));
  }
  if constexpr (kPlanted != Planted::kProxyFence) fence_proxy_async();
  if constexpr (kPlanted != Planted::kBarrier) sync_block();
  if constexpr (kPlanted != Planted::kWait) {
    mbarrier_wait(address_of(shared.full), kPlanted == Planted::kWrongPhase ? 1 : 0);
    if constexpr (kPlanted == Planted::kWrongPhase) mbarrier_wait(address_of(shared.empty), 0);
  }
  float d[8][4];
  const u64 a = wgmma_descriptor(address_of(shared.a), 0, 1024);
  const u64 b = wgmma_descriptor(address_of(shared.b), 0, 1024);
  if constexpr (kPlanted != Planted::kWgmmaFence) wgmma_fence();
  for (int k = 0; k < 64; k += 16) {
    wgmma_ss<Element::kBFloat16, 1>(d, wgmma_advance(a, static_cast<u32>(k) * 2),
                                    wgmma_advance(b, static_cast<u32>(k) * 2), k > 0);
  }
  if constexpr (kPlanted != Planted::kCommit) wgmma_commit();
  if constexpr (kPlanted != Planted::kWgmmaWait) wgmma_wait<0>();
  store_tile(d, p.out);

  float e[8][4];
  u32 fragments[4][4];
  const int row = thread_index() / 32 * 16 + thread_index() % 32 / 4;
  for (int k = 0; k < 4; ++k) {
    for (int i = 0; i < 4; ++i) {
      const u16* const from = p.plain + (row + i % 2 * 8) * 64 + k * 16 + thread_index() % 4 * 2 + i / 2 * 8;
      fragments[k][i] = static_cast<u32>(from[1]) << 16 | from[0];
    }
  }
  wgmma_fence();
  wgmma_rs<Element::kBFloat16>(e, fragments, b, false);
  wgmma_commit();
  if constexpr (kPlanted == Planted::kEarlyRelease) {
    if (thread_index() % 32 == 0) mbarrier_arrive(address_of(shared.empty));
  }
  wgmma_wait<0>();
  if constexpr (kPlanted != Planted::kEarlyRelease) {
    if (thread_index() % 32 == 0) mbarrier_arrive(address_of(shared.empty));
  }
  store_tile(e, p.out + 64 * 64);
  // The tile is overwritten once all warps are done with it.
  if (thread_index() == 0) {
    mbarrier_wait(address_of(shared.empty), 0);
    mbarrier_arrive_expect(address_of(shared.full), sizeof(shared.b));
    tma_load(address_of(shared.b), p.a, address_of(shared.full), 0, 0, 0);
    mbarrier_wait(address_of(shared.full), 1);
  }
}

class Hopper : public testing::Test {
 protected:
  static constexpr Grid kGrid{.ctas = 2, .threads = 128, .smem_bytes = sizeof(Shared)};

  Hopper() {
    for (std::size_t i = 0; i < a_.size(); ++i) {
      a_[i] = bf16(static_cast<float>(i * 7 % 17) - 8.f);
      b_[i] = bf16(static_cast<float>(i * 11 % 13) - 6.f);
    }
    for (auto [map, from] : {std::pair{&params_.a, a_.data()}, std::pair{&params_.b, b_.data()}}) {
      emulator::describe_tensor({.rows = {from, 64, 64}, .tokens = 64, .heads = 1, .columns = 64, .box_rows = 64},
                                *map);
    }
    params_.plain = a_.data();
    params_.out = out_.data();
  }
  static u16 bf16(float value) { return static_cast<u16>(__builtin_bit_cast(u32, value) >> 16); }
  static float value(u16 bits) { return __builtin_bit_cast(float, static_cast<u32>(bits) << 16); }

  template <Planted kPlanted>
  std::optional<emulator::KernelFault> run(const LaunchOptions& options) {
    std::ranges::fill(out_, -1.f);
    return run_planted<Params, products<kPlanted>>(params_, kGrid, options);
  }
  /// Number of elements that differ from the result of plain loops; all sums are exact.
  int wrong() const {
    int count = 0;
    for (int row = 0; row < 64; ++row) {
      for (int column = 0; column < 64; ++column) {
        float by_rows = 0;
        float by_columns = 0;
        for (int k = 0; k < 64; ++k) {
          const float left = value(a_[static_cast<std::size_t>(row * 64 + k)]);
          by_rows += left * value(b_[static_cast<std::size_t>(column * 64 + k)]);
          by_columns += left * value(b_[static_cast<std::size_t>(k * 64 + column)]);
        }
        const auto at = static_cast<std::size_t>(row * 64 + column);
        count += (out_[at] != by_rows ? 1 : 0) + (out_[64 * 64 + at] != by_columns ? 1 : 0);
      }
    }
    return count;
  }
  template <Planted kPlanted>
  void expect_fault(FaultKind kind, const char* words) {
    const auto fault = run<kPlanted>(kRace);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->kind(), kind) << fault->what();
    EXPECT_THAT(fault->what(), AllOf(HasSubstr(words), HasSubstr("hopper_test.cpp:")));
  }

  alignas(16) std::array<u16, 64 * 64> a_{};
  alignas(16) std::array<u16, 64 * 64> b_{};
  std::array<float, 2 * 64 * 64> out_{};
  Params params_{};
};

TEST_F(Hopper, ProductsAreThoseOfPlainLoopsInEveryMode) {
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    const auto fault = run<Planted::kNothing>({.completion = completion});
    EXPECT_FALSE(fault.has_value()) << fault->what();
    EXPECT_EQ(wrong(), 0) << to_string(completion);
  }
  const auto fault = run<Planted::kNothing>(kRace);
  EXPECT_FALSE(fault.has_value()) << fault->what();
}

TEST_F(Hopper, AnotherSwizzleGivesOtherNumbers) {
  ASSERT_FALSE(run<Planted::kNoSwizzle>({}));
  EXPECT_GT(wrong(), 1000);
}

TEST_F(Hopper, FaultsOfMbarriers) {
  expect_fault<Planted::kInit>(FaultKind::kMisuse, "where no mbarrier was initialised");
  expect_fault<Planted::kInitFence>(FaultKind::kMissingFence, "no fence_mbarrier_init after the initialisation");
  expect_fault<Planted::kExpect>(FaultKind::kDeadlock, "waiting for mbarrier_wait of parity 0");
  expect_fault<Planted::kWrongPhase>(FaultKind::kDeadlock, "block 0 warp 3 lanes 0-31: waiting for mbarrier_wait");
  for (const Completion completion : {Completion::kEarly, Completion::kLate}) {
    const auto fault = run<Planted::kExtraArrival>({.completion = completion});
    ASSERT_TRUE(fault.has_value());  // one arrival too many, or a phase that no thread expects
    EXPECT_TRUE(fault->kind() == FaultKind::kMisuse || fault->kind() == FaultKind::kDeadlock) << fault->what();
  }
}

TEST_F(Hopper, FaultsOfOrder) {
  expect_fault<Planted::kWait>(FaultKind::kRace, "the copy's mbarrier was not waited for");
  expect_fault<Planted::kProxyFence>(FaultKind::kMissingFence, "no fence_proxy_async lies between them");
  const auto fault = run<Planted::kBarrier>(kRace);
  ASSERT_TRUE(fault.has_value());
  EXPECT_TRUE(fault->kind() == FaultKind::kRace || fault->kind() == FaultKind::kUninitialisedRead) << fault->what();
  expect_fault<Planted::kEarlyRelease>(FaultKind::kRace, "no wait for the product and no barrier lie between them");
}

TEST_F(Hopper, FaultsOfWgmma) {
  expect_fault<Planted::kWgmmaFence>(FaultKind::kMissingFence, "never came to a wgmma_fence");
  ASSERT_FALSE(run<Planted::kWgmmaWait>({.completion = Completion::kLate}));
  EXPECT_TRUE(std::isnan(out_[0]));
  ASSERT_FALSE(run<Planted::kCommit>({.completion = Completion::kLate}));
  EXPECT_TRUE(std::isnan(out_[0]));
}

// ---- named barriers -----------------------------------------------------------------------------------------------

struct Word {
  u32* out;
};

/// Warp 0 writes and then only arrives; warp 1 waits and reads.
template <Planted kPlanted>
void announce(const Word& p) {
  const u32 place = shared_address(machine().shared) + static_cast<u32>(thread_index() % 32) * 4;
  if (thread_index() < 32) {
    store_shared(place, static_cast<u32>(thread_index()));
    if constexpr (kPlanted != Planted::kBarrier) named_barrier_arrive(3, 64);
    if constexpr (kPlanted == Planted::kExtraArrival) named_barrier_arrive(3, 64);
  } else {
    named_barrier_sync(3, kPlanted == Planted::kExpect ? 96 : 64);
    p.out[thread_index() - 32] = load_shared(place ^ 4);
  }
}
constexpr Grid kThreeWarps{.ctas = 1, .threads = 96, .smem_bytes = 128};

template <Planted kPlanted>
void announce_in_two_warps(const Word& p) {
  if (thread_index() < 64) announce<kPlanted>(p);
}

TEST(NamedBarriers, OrderWhatComesBefore) {
  std::array<u32, 32> out{};
  ASSERT_FALSE((run_planted<Word, announce_in_two_warps<Planted::kNothing>>({out.data()}, kThreeWarps, kRace)));
  for (u32 i = 0; i < 32; ++i) EXPECT_EQ(out[i], i ^ 1);
}

TEST(NamedBarriers, Faults) {
  std::array<u32, 64> out{};
  const auto missing = run_planted<Word, announce_in_two_warps<Planted::kBarrier>>({out.data()}, kThreeWarps, kRace);
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->kind(), FaultKind::kDeadlock);
  EXPECT_THAT(missing->what(), HasSubstr("waiting for named_barrier_sync 3 at"));
  const auto count = run_planted<Word, announce_in_two_warps<Planted::kExpect>>({out.data()}, kThreeWarps, kRace);
  ASSERT_TRUE(count.has_value());
  EXPECT_EQ(count->kind(), FaultKind::kMisuse);
}

void registers_of_one_warp(const Word&) {
  if (thread_index() < 32) {
    setmaxnreg_dec<40>();
  }
}

TEST(Warpgroups, SetmaxnregOfOneWarpIsADeadlock) {
  const auto fault = run_planted<Word, registers_of_one_warp>({nullptr}, {.ctas = 1, .threads = 128, .smem_bytes = 16});
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kDeadlock);
  EXPECT_THAT(fault->what(), HasSubstr("waiting for setmaxnreg"));
}

}  // namespace
}  // namespace attnjit::emulator_tests
