// Debug mode's check of index tensors, with its kernel on the emulator. The kernel reports what loops over the
// sequences find, however many rounds its threads take, and has no race.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "emulator/kernel_object.h"
#include "emulator/launch.h"
#include "operators/check_indices.h"
#include "tests/emulator/cases.h"
#include "tests/emulator/decode_cases.h"
#include "tests/runtime/check_indices_loop.h"
#include "verify/masked_mha/tensors.h"
#include "verify/mla_decode/tensors.h"
#include "verify/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

using kernel::CheckIndicesParams;
using kernel::CheckReport;
using kernel::IndexFault;

bool same(const CheckReport& a, const CheckReport& b) {
  return a.fault == b.fault && a.tensor == b.tensor && a.sequence == b.sequence && a.position == b.position &&
         a.values[0] == b.values[0] && a.values[1] == b.values[1];
}
std::string text(const CheckReport& r) {
  return "fault " + std::to_string(r.fault) + ", tensor " + std::to_string(r.tensor) + ", sequence " +
         std::to_string(r.sequence) + ", position " + std::to_string(r.position) + ", values " +
         std::to_string(r.values[0]) + " " + std::to_string(r.values[1]);
}

/// Runs with the race check on; `dropped` is a synchronization to leave out.
CheckReport found_by_the_kernel(CheckIndicesParams params, std::uint64_t seed, emulator::LaunchResult* result = nullptr,
                                const emulator::SyncSite& dropped = {}) {
  CheckReport report{};
  params.report = &report;
  const runtime::KernelPlan plan = runtime::check_indices_plan();
  static emulator::KernelObjects objects(ATTNJIT_EMULATOR_OBJECTS);
  const auto& object = objects.get(plan.spec, /*race_check=*/true);
  const emulator::Grid grid{
      .ctas = 1, .threads = plan.threads, .smem_bytes = static_cast<kernel::u32>(plan.smem_bytes)};
  const auto launched =
      emulator::launch(object.function, &params, grid, {.seed = seed, .race_check = true, .dropped = dropped});
  if (result != nullptr) *result = launched;
  return report;
}

void expect_as_loops(const CheckIndicesParams& params, std::uint64_t seed, int& faults) {
  const CheckReport expected = test::first_fault_by_loops(params);
  const CheckReport found = found_by_the_kernel(params, seed);
  EXPECT_TRUE(same(found, expected)) << "found " << text(found) << ", expected " << text(expected);
  faults += expected.fault != 0 ? 1 : 0;
}

/// The index tensors of every kind of call at once: two cumulative sums, values bounded by a constant and by what a
/// sequence owns, and pages of 4 keys in a cache of 50 pages, given by an index list or a table.
struct Call {
  static constexpr int kPageSize = 4, kCachePages = 50, kTableRow = 6;
  std::vector<int> q{0}, indptr{0}, lens, totals, pages;
  bool table;

  Call(int batch, bool by_table, std::mt19937& random) : table(by_table) {
    const auto draw = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
    for (int b = 0; b < batch; ++b) {
      q.push_back(q.back() + draw(4));
      indptr.push_back(indptr.back() + draw(5));
      const int most = (table ? kTableRow : indptr.back() - indptr[static_cast<std::size_t>(b)]) * kPageSize;
      lens.push_back(draw(most));
      totals.push_back(draw(1000));
    }
    // Half of the unused entries are not valid pages: they may hold anything.
    pages.resize(static_cast<std::size_t>(table ? batch * kTableRow : indptr.back()) + 1);
    for (int& page : pages) page = draw(1) == 0 ? -7 : 12345;
    for (int b = 0; b < batch; ++b) {
      for (int key = 0; key < lens[static_cast<std::size_t>(b)]; ++key) pages[entry(b, key)] = draw(kCachePages - 1);
    }
  }
  std::size_t entry(int b, int key) const {
    return static_cast<std::size_t>((table ? b * kTableRow : indptr[static_cast<std::size_t>(b)]) + key / kPageSize);
  }
  CheckIndicesParams params() const {
    CheckIndicesParams p{};
    p.batch = static_cast<int>(lens.size());
    p.sums[0] = {q.data(), q.back(), 4};
    if (!table) p.sums[1] = {indptr.data(), indptr.back(), 1 << 30};
    p.values[0] = {lens.data(), table ? kTableRow * kPageSize : 0, table ? nullptr : indptr.data(), kPageSize};
    p.values[1] = {totals.data(), 1000, nullptr, 0};
    p.pages = {pages.data(), table ? nullptr : indptr.data(), kTableRow, lens.data(), kPageSize, kCachePages};
    return p;
  }
};

class CheckIndices : public testing::TestWithParam<int> {};

TEST_P(CheckIndices, FindsWhatLoopsFind) {
  const int batch = GetParam();
  std::mt19937 random(static_cast<unsigned>(batch));
  int faults = 0;
  for (int round = 0; round < 16; ++round) {
    Call call(batch, round % 2 == 0, random);
    const CheckIndicesParams params = call.params();
    // The first two rounds are valid. Later ones change entries at random places: too small, too large, negative.
    for (int spoiled = 0; spoiled < (round < 2 ? 0 : 1 + round % 3); ++spoiled) {
      std::vector<int>* const tensors[] = {&call.q, &call.indptr, &call.lens, &call.totals, &call.pages};
      std::vector<int>& entries = *tensors[std::uniform_int_distribution<int>(0, 4)(random)];
      const std::size_t place = std::uniform_int_distribution<std::size_t>(0, entries.size() - 1)(random);
      entries[place] += std::uniform_int_distribution<int>(-60, 60)(random);
    }
    SCOPED_TRACE(testing::Message() << "round " << round);
    const int before = faults;
    expect_as_loops(params, static_cast<std::uint64_t>(round) + 1, faults);
    if (round < 2) {
      EXPECT_EQ(faults, before);
    }
  }
  EXPECT_GT(faults, 3) << "too few faults to show anything";
}

TEST_P(CheckIndices, FindsTheLastPageOfTheLastSequence) {
  std::mt19937 random(7);
  for (const bool table : {true, false}) {
    Call call(GetParam(), table, random);
    std::size_t last = call.lens.size();
    while (last > 0 && call.lens[last - 1] == 0) --last;
    if (last == 0) continue;
    const int b = static_cast<int>(last) - 1;
    call.pages[call.entry(b, call.lens[last - 1] - 1)] = Call::kCachePages;
    const CheckReport found = found_by_the_kernel(call.params(), 3);
    EXPECT_EQ(found.fault, static_cast<int>(IndexFault::kOutsideCache)) << text(found);
    EXPECT_EQ(found.sequence, b);
    EXPECT_EQ(found.position, (call.lens[last - 1] - 1) / Call::kPageSize);
    EXPECT_EQ(found.values[0], Call::kCachePages);
  }
}

// The check runs 256 threads over four tensors.
INSTANTIATE_TEST_SUITE_P(Batch, CheckIndices, testing::Values(1, 2, 64, 65, 100, 700));

TEST(CheckIndicesPages, OfALongSequenceAreAllLookedAt) {
  // More pages than threads, hence several rounds; the first wrong one is reported.
  std::vector<int> pages(1000, 3);
  const int length = 999, huge = 0x7fffffff;
  CheckIndicesParams params{};
  params.batch = 1;
  params.values[0] = {&length, 1000, nullptr, 0};
  params.pages = {pages.data(), nullptr, 1000, &length, 1, 4};
  EXPECT_EQ(found_by_the_kernel(params, 1).fault, 0);
  pages[999] = -1;  // past the last key
  EXPECT_EQ(found_by_the_kernel(params, 2).fault, 0);
  for (const int place : {998, 700, 256, 255, 0}) {
    pages[static_cast<std::size_t>(place)] = place % 2 == 0 ? -1 : huge;
    EXPECT_EQ(found_by_the_kernel(params, 3).position, place);
  }
}

TEST(CheckIndicesFaults, OfSumsAreToldApart) {
  const struct {
    int entries[3];
    IndexFault fault;
    int sequence;
  } rows[] = {{{0, 4, 8}, IndexFault::kNone, 0},
              {{-1, 3, 8}, IndexFault::kNegative, 0},
              {{0, 4, 3}, IndexFault::kDecreasing, 1},
              {{5, 9, 13}, IndexFault::kBeyondTensor, 1},
              {{0, 5, 8}, IndexFault::kBeyondMax, 0},
              {{0, -2147483647, 8}, IndexFault::kDecreasing, 0},
              {{0, 0, 2147483647}, IndexFault::kBeyondTensor, 1}};
  const int good[3] = {0, 4, 8};
  for (const auto& row : rows) {
    for (const int tensor : {0, 1}) {
      CheckIndicesParams params{};
      params.batch = 2;
      for (kernel::RunningSums& sums : params.sums) sums = {good, 12, 4};
      params.sums[tensor].sums = row.entries;
      const CheckReport found = found_by_the_kernel(params, 1);
      EXPECT_EQ(found.fault, static_cast<int>(row.fault)) << text(found);
      if (row.fault == IndexFault::kNone) continue;
      EXPECT_EQ(found.tensor, tensor);
      EXPECT_EQ(found.sequence, row.sequence);
      EXPECT_EQ(found.values[0], row.entries[row.sequence]);
      EXPECT_EQ(found.values[1], row.entries[row.sequence + 1]);
    }
  }
}

TEST(CheckIndicesFaults, OfValuesAreToldApart) {
  // Sequence 0 owns 3 entries, sequence 1 none.
  const int sums[3] = {5, 8, 8};
  const struct {
    int values[2];
    std::int64_t limit;
    const int* sums;
    std::int64_t per_step;
    IndexFault fault;
    int sequence;
    std::int64_t largest;
  } rows[] = {{{9, 0}, 9, nullptr, 0, IndexFault::kNone, 0, 0},
              {{9, 10}, 9, nullptr, 0, IndexFault::kTooLarge, 1, 9},
              {{-1, 10}, 9, nullptr, 0, IndexFault::kNegative, 0, 9},
              {{192, 0}, 0, sums, 64, IndexFault::kNone, 0, 0},
              {{193, 0}, 0, sums, 64, IndexFault::kTooLarge, 0, 192},
              {{192, 1}, 0, sums, 64, IndexFault::kTooLarge, 1, 0},
              {{7, 10}, 10, sums, -1, IndexFault::kNone, 0, 0},
              {{8, 10}, 10, sums, -1, IndexFault::kTooLarge, 0, 7},
              {{2147483647, 0}, 2147483647, sums, -1, IndexFault::kTooLarge, 0, 2147483644}};
  for (const auto& row : rows) {
    for (const int tensor : {0, 1}) {
      CheckIndicesParams params{};
      params.batch = 2;
      params.values[tensor] = {row.values, row.limit, row.sums, row.per_step};
      const CheckReport found = found_by_the_kernel(params, 1);
      EXPECT_EQ(found.fault, static_cast<int>(row.fault)) << text(found);
      if (row.fault == IndexFault::kNone) continue;
      EXPECT_EQ(found.tensor, CheckIndicesParams::kSums + tensor);
      EXPECT_EQ(found.sequence, row.sequence);
      EXPECT_EQ(found.values[0], row.values[row.sequence]);
      EXPECT_EQ(found.values[1], row.largest);
    }
  }
}

TEST(CheckIndicesFaults, WrongLengthsAreToldBeforePagesAreLookedAt) {
  // If the check trusted these lengths, it would look for pages far outside the list.
  const int lens[2] = {3, 2147483647};
  const int pages[2] = {99, 99};
  CheckIndicesParams params{};
  params.batch = 2;
  params.values[0] = {lens, 4, nullptr, 0};
  params.pages = {pages, nullptr, 1, lens, 4, 10};
  const CheckReport found = found_by_the_kernel(params, 1);
  EXPECT_EQ(found.fault, static_cast<int>(IndexFault::kTooLarge)) << text(found);
  EXPECT_EQ(found.sequence, 1);
}

/// Tensors of every form, with garbage wherever nothing may be read.
TEST(CheckIndicesOfCases, FindsNothingInValidCalls) {
  const reference::CpuKernels plain;
  const auto check = [](const std::string& name, const runtime::CheckedIndices& indices) {
    const CheckReport found = test::first_fault_by_loops(indices.params);
    EXPECT_EQ(found.fault, 0) << name << ": " << text(found);
  };
  for (const gpu_tests::DecodeCase& c : emulated_decode_cases()) {
    const gpu_tests::DecodeTensors tensors(c, plain);
    const MlaDecodeParams& params = tensors.params();
    check(c.name, indices_of(runtime::check_mla_decode(c.config, params), c.config, params));
  }
  for (const gpu_tests::MaskedCase& c : emulated_masked_cases()) {
    const gpu_tests::MaskedTensors tensors(c, plain);
    const MaskedMhaParams& params = tensors.params();
    check(c.attention.name, indices_of(runtime::check_masked_mha({c.attention.config}, params), params));
    check(c.attention.name, indices_of(runtime::check_mask_from_topk(tensors.build_params())));
  }
}

TEST(CheckIndicesFaults, EverySynchronisationIsNeeded) {
  const int lens[2] = {3, 4};
  const int pages[2] = {1, 2};
  CheckIndicesParams params{};
  params.batch = 2;
  params.values[0] = {lens, 4, nullptr, 0};
  params.pages = {pages, nullptr, 1, lens, 4, 10};
  emulator::LaunchResult result;
  found_by_the_kernel(params, 1, &result);
  EXPECT_EQ(result.sync_sites.size(), 2u);
  for (const emulator::SyncSite& site : result.sync_sites) {
    EXPECT_THROW(found_by_the_kernel(params, 1, nullptr, site), emulator::KernelFault) << site.what << " " << site.line;
  }
}

}  // namespace
}  // namespace attnjit::emulator_tests
