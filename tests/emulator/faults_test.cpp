// Faults planted in small kernels: each is found and reported with its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ptx/memory.cuh"
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

struct Params {
  const float* in = nullptr;
  float* out = nullptr;
};

struct Shared {
  alignas(16) float stage[2][64 * 4];
};

/// Each thread copies its own 16 bytes into a stage.
void copy_stage(const Shared& shared, int stage, const float* from) {
  cp_async_16(shared_address(&shared.stage[stage][thread_index() * 4]), from + thread_index() * 4, true);
  cp_async_commit();
}

/// What the thread on the other side of the CTA copied.
float read_across(const Shared& shared, int stage) {
  const Vec16 v = load_shared_16(shared_address(&shared.stage[stage][(63 - thread_index()) * 4]));
  return __builtin_bit_cast(float, v.word[0]);
}

enum Omitted { kNothing, kWait, kBarrier, kCommit, kLastBarrier };

/// Two stages through the same buffer, read across the CTA. kLastBarrier: the second copy overwrites data that other
/// threads may still be reading.
template <Omitted kOmitted>
void two_stages(const Params& p) {
  Shared& shared = dynamic_shared<Shared>();
  float sum = 0;
  for (int step = 0; step < 2; ++step) {
    cp_async_16(shared_address(&shared.stage[0][thread_index() * 4]), p.in + step * 256 + thread_index() * 4, true);
    if constexpr (kOmitted != kCommit) cp_async_commit();
    if constexpr (kOmitted != kWait) cp_async_wait<0>();
    if constexpr (kOmitted != kBarrier) sync_block();
    sum += read_across(shared, 0) * static_cast<float>(step + 1);
    if constexpr (kOmitted != kLastBarrier && kOmitted != kBarrier) sync_block();
  }
  p.out[thread_index()] = sum;
}

class TwoStages : public testing::Test {
 protected:
  static constexpr Grid kGrid{.ctas = 1, .threads = 64, .smem_bytes = sizeof(Shared)};

  TwoStages() {
    for (std::size_t i = 0; i < in_.size(); ++i) in_[i] = static_cast<float>(i % 251);
  }
  template <Omitted kOmitted>
  std::optional<emulator::KernelFault> run(const LaunchOptions& options) {
    return run_planted<Params, two_stages<kOmitted>>({in_.data(), out_.data()}, kGrid, options);
  }
  bool right() const {
    for (std::size_t thread = 0; thread < 64; ++thread) {
      const std::size_t from = (63 - thread) * 4;
      if (out_[thread] != in_[from] + 2 * in_[256 + from]) return false;
    }
    return true;
  }
  /// How many of 20 seeds give a wrong result.
  template <Omitted kOmitted>
  int wrong(Completion completion) {
    int count = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      EXPECT_FALSE(run<kOmitted>({.completion = completion, .seed = seed}).has_value());
      if (!right()) ++count;
    }
    return count;
  }

  alignas(16) std::array<float, 512> in_{};
  std::array<float, 64> out_{};
};

TEST_F(TwoStages, RightKernelIsRightInEveryMode) {
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    EXPECT_EQ(wrong<kNothing>(completion), 0) << to_string(completion);
  }
  EXPECT_FALSE(run<kNothing>(kRace).has_value());
}

TEST_F(TwoStages, MissingWaitShowsWhenCopiesLandLate) {
  EXPECT_EQ(wrong<kWait>(Completion::kLate), 20);
  EXPECT_TRUE(std::isnan(out_[0]));  // initial content of shared memory
  EXPECT_EQ(wrong<kWait>(Completion::kEarly), 0);
  const auto fault = run<kWait>(kRace);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kRace);
  EXPECT_THAT(fault->what(), AllOf(HasSubstr("the copy was not waited for"), HasSubstr("faults_test.cpp:")));
}

TEST_F(TwoStages, MissingCommitIsAMissingWait) {
  EXPECT_EQ(wrong<kCommit>(Completion::kLate), 20);
  const auto fault = run<kCommit>(kRace);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kRace);
}

TEST_F(TwoStages, MissingBarrierIsARaceWhateverTheOrder) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto fault = run<kBarrier>({.seed = seed, .race_check = true});
    ASSERT_TRUE(fault.has_value()) << seed;
    EXPECT_TRUE(fault->kind() == FaultKind::kRace || fault->kind() == FaultKind::kUninitialisedRead) << fault->what();
  }
  EXPECT_GT(wrong<kBarrier>(Completion::kEarly), 0);
}

TEST_F(TwoStages, StageOverwrittenTooSoonShowsWhenCopiesLandEarly) {
  EXPECT_GT(wrong<kLastBarrier>(Completion::kEarly), 0);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto fault = run<kLastBarrier>({.seed = seed, .race_check = true});
    ASSERT_TRUE(fault.has_value()) << seed;
    EXPECT_EQ(fault->kind(), FaultKind::kRace);
  }
}

// ---- groups -------------------------------------------------------------------------------------------------------

void wait_for_all_but_one(const Params& p) {
  Shared& shared = dynamic_shared<Shared>();
  copy_stage(shared, 0, p.in);
  copy_stage(shared, 1, p.in + 256);
  cp_async_wait<1>();
  p.out[thread_index()] = shared.stage[0][thread_index() * 4];
  p.out[64 + thread_index()] = shared.stage[1][thread_index() * 4];
  cp_async_wait<0>();
  p.out[128 + thread_index()] = shared.stage[1][thread_index() * 4];
}

TEST_F(TwoStages, NewestGroupsMayStayPending) {
  std::vector<float> out(192);
  ASSERT_FALSE(
      (run_planted<Params, wait_for_all_but_one>({in_.data(), out.data()}, kGrid, {.completion = Completion::kLate})));
  EXPECT_EQ(out[1], in_[4]);
  EXPECT_TRUE(std::isnan(out[64 + 1]));
  EXPECT_EQ(out[128 + 1], in_[256 + 4]);
}

void copy_nothing(const Params& p) {
  Shared& shared = dynamic_shared<Shared>();
  cp_async_16(shared_address(&shared.stage[0][thread_index() * 4]), p.in, false);
  cp_async_commit();
  cp_async_wait<0>();
  p.out[thread_index()] = shared.stage[0][thread_index() * 4 + 3];
}

TEST_F(TwoStages, AnInvalidCopyIsZerosAndReadsNothing) {
  ASSERT_FALSE((run_planted<Params, copy_nothing>({nullptr, out_.data()}, kGrid)));
  EXPECT_THAT(out_, testing::Each(0.f));
}

// ---- addresses ----------------------------------------------------------------------------------------------------

constexpr Grid kOneWarp{.ctas = 2, .threads = 32, .smem_bytes = 512};

void store_behind_the_end(const Params&) { store_shared(shared_address(machine().shared) + 512, u32{1}); }
void store_before_the_start(const Params&) { store_shared(shared_address(machine().shared) - 4, u32{1}); }
void store_across_the_end(const Params&) { load_shared_16(shared_address(machine().shared) + 512); }
void store_misaligned(const Params&) { store_shared(shared_address(machine().shared) + 2, u32{1}); }
void take_address_of_a_local(const Params&) {
  int local = 0;
  shared_address(&local);
}
void copy_from_misaligned(const Params& p) {
  cp_async_16(shared_address(machine().shared), reinterpret_cast<const char*>(p.in) + 4, true);
}

TEST(Addresses, OutsideSharedMemoryIsAFault) {
  for (const auto& run : {run_planted<Params, store_behind_the_end>, run_planted<Params, store_before_the_start>,
                          run_planted<Params, store_across_the_end>, run_planted<Params, take_address_of_a_local>}) {
    const auto fault = run({}, kOneWarp, {});
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->kind(), FaultKind::kOutOfBounds) << fault->what();
  }
  EXPECT_THAT(
      (run_planted<Params, store_behind_the_end>({}, kOneWarp)->what()),
      AllOf(HasSubstr("write of 4 bytes at shared offset 512, the CTA has 512"), HasSubstr("faults_test.cpp:")));
}

TEST(Addresses, MisalignedIsAFault) {
  alignas(16) const float in[8] = {};
  for (const auto& run : {run_planted<Params, store_misaligned>, run_planted<Params, copy_from_misaligned>}) {
    const auto fault = run({in, nullptr}, kOneWarp, {});
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->kind(), FaultKind::kMisaligned) << fault->what();
  }
}

void read_what_was_never_written(const Params&) {
  store_shared(shared_address(machine().shared) + static_cast<u32>(thread_index()) * 16, u32{1});
  load_shared_16(shared_address(machine().shared) + static_cast<u32>(thread_index()) * 16);
}

TEST(Addresses, UninitialisedReadIsAFault) {
  const auto fault = run_planted<Params, read_what_was_never_written>({}, kOneWarp, kRace);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kUninitialisedRead);
  EXPECT_THAT(fault->what(), HasSubstr("was never written; read by thread"));
}

void neighbours_write_halves_of_a_word(const Params&) {
  store_shared(shared_address(machine().shared) + static_cast<u32>(thread_index()) * 2, u16{1});
}

TEST(Addresses, HalvesOfAWordAreNoRace) {
  EXPECT_FALSE((run_planted<Params, neighbours_write_halves_of_a_word>({}, kOneWarp, kRace)));
}

// ---- meetings -----------------------------------------------------------------------------------------------------

constexpr Grid kThreeWarps{.ctas = 1, .threads = 96, .smem_bytes = 64};

void one_warp_leaves(const Params&) {
  if (thread_index() / 32 == 1) return;
  sync_block();
}

TEST(Meetings, BarrierThatAWarpNeverReachesIsADeadlock) {
  const auto fault = run_planted<Params, one_warp_leaves>({}, kThreeWarps);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kDeadlock);
  EXPECT_THAT(fault->what(), AllOf(HasSubstr("block 0 warp 0 lanes 0-31: waiting for sync_block at"),
                                   HasSubstr("block 0 warp 1 lanes 0-31: exited"), HasSubstr("faults_test.cpp:")));
}

void half_a_warp_shuffles(const Params&) {
  if (thread_index() % 32 < 16) shuffle_xor(1.f, 1);
}

TEST(Meetings, CollectiveOfHalfAWarpIsADeadlock) {
  const auto fault = run_planted<Params, half_a_warp_shuffles>({}, kThreeWarps);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kDeadlock);
  EXPECT_THAT(fault->what(),
              AllOf(HasSubstr("lanes 0-15: waiting for shfl.sync.bfly"), HasSubstr("lanes 16-31: exited")));
}

void lanes_meet_at_two_places(const Params&) {
  if (thread_index() % 2 == 0) {
    shuffle_xor(1.f, 1);
  } else {
    shuffle_xor(1.f, 2);
  }
}

TEST(Meetings, LanesAtDifferentSitesDiverge) {
  const auto fault = run_planted<Params, lanes_meet_at_two_places>({}, kThreeWarps);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kDivergence);
  EXPECT_THAT(fault->what(), HasSubstr("all 32 lanes of a warp have to come to the same one"));
}

void lanes_at_two_barriers(const Params&) {
  if (thread_index() % 2 == 0) {
    sync_block();
  } else {
    sync_block();
  }
}

TEST(Meetings, LanesOfAWarpAtDifferentBarriersDiverge) {
  const auto fault = run_planted<Params, lanes_at_two_barriers>({}, kThreeWarps);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kDivergence);
}

/// Lanes exchange data through shared memory. The collective in between keeps them in step but does not order memory.
template <bool kBarrier>
void exchange_in_a_warp(const Params&) {
  const u32 first = shared_address(machine().shared);
  store_shared(first + static_cast<u32>(thread_index()) * 16, u32{1});
  store_shared(first + static_cast<u32>(thread_index()) * 16 + 4, u32{1});
  store_shared(first + static_cast<u32>(thread_index()) * 16 + 8, u32{1});
  store_shared(first + static_cast<u32>(thread_index()) * 16 + 12, u32{1});
  if constexpr (kBarrier) {
    sync_warp();
  } else {
    shuffle_xor(1.f, 1);
  }
  load_shared_16(first + static_cast<u32>(thread_index() ^ 1) * 16);
}

TEST(Meetings, ACollectiveIsNoBarrier) {
  EXPECT_FALSE((run_planted<Params, exchange_in_a_warp<true>>({}, kOneWarp, kRace)));
  const auto fault = run_planted<Params, exchange_in_a_warp<false>>({}, kOneWarp, kRace);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind(), FaultKind::kRace);
}

}  // namespace
}  // namespace attnjit::emulator_tests
