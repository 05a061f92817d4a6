// Debug mode on a GPU, for mha_varlen: a valid call passes and is computed; each fault in the lengths is named and
// nothing is launched. For the other operators see debug_checks_operators_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "attnjit/error.hpp"
#include "operators/check_indices.h"
#include "tests/gpu/mha_varlen/run_case.h"
#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/suite.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

Case make_case(std::vector<int> len_q, std::vector<int> len_k) {
  Case c;
  c.config = suite_config(192, 128, 64, DType::kBFloat16, true);
  c.name = describe(c.config);
  c.len_q = std::move(len_q);
  c.len_k = std::move(len_k);
  c.heads = c.kv_heads = 2;
  c.seed = 7;
  return c;
}

/// An operator of a context with debug_checks.
TestedMhaVarlen checked_operator(const Case& c) {
  return {suite().fresh_context({.debug_checks = true}), {c.config, Variant::kOwn}, Tiles::kAsPlanned};
}

std::string refusal(const TestedMhaVarlen& op, const MhaVarlenParams& params, CUstream stream) {
  try {
    suite().record(runtime::check_indices_plan());
    op.run(params, stream);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInvalidArgument);
    return error.what();
  }
}

class DebugChecksOfBatch : public testing::TestWithParam<int> {};

TEST_P(DebugChecksOfBatch, AValidCallIsComputed) {
  // Fewer sequences than the check has threads, as many, and more than one round.
  Case c = make_case(std::vector<int>(static_cast<std::size_t>(GetParam()), 3), {});
  c.len_k = c.len_q;
  c.len_q[0] = c.len_k[0] = 70;
  const CaseTensors tensors(c, suite().plain());
  const CudaStream stream;
  EXPECT_EQ(refusal(checked_operator(c), tensors.params(), stream.get()), "");
  judge(c, tensors.expected(), tensors.take_output());
}
INSTANTIATE_TEST_SUITE_P(Launch, DebugChecksOfBatch, testing::Values(1, 128, 1000));
INSTANTIATE_TEST_SUITE_P(Small, DebugChecksOfBatch, testing::Values(130));

struct BadLengths {
  const char* name;
  std::vector<int> cu_seqlens_q;
  std::vector<int> cu_seqlens_k;
  std::string words;
};
void PrintTo(const BadLengths& bad, std::ostream* stream) { *stream << bad.name; }

// 100 tokens of q and 120 of k; at most 60 and 70 per sequence.
const BadLengths kBadLengths[] = {
    {"decreasing_q",
     {0, 60, 50, 100},
     {0, 50, 100, 120},
     "sequence 1: cu_seqlens_q[1] is 60 and cu_seqlens_q[2] is 50; entries must not decrease"},
    {"decreasing_k",
     {0, 60, 60, 100},
     {0, 50, 120, 100},
     "sequence 2: cu_seqlens_k[2] is 120 and cu_seqlens_k[3] is 100; entries must not decrease"},
    {"beyond_q", {0, 60, 60, 101}, {0, 50, 100, 120}, "cu_seqlens_q[3] is 101; entries are at most 100"},
    {"beyond_k", {0, 60, 60, 100}, {0, 50, 100, 121}, "cu_seqlens_k[3] is 121; entries are at most 120"},
    {"negative", {0, 60, 60, 100}, {-1, 50, 100, 120}, "sequence 0: cu_seqlens_k[0] is -1; entries are 0 or more"},
    {"long_q", {0, 61, 61, 100}, {0, 50, 100, 120}, "which are 61 tokens; at most max_seqlen_q = 60"},
    {"long_k", {0, 60, 60, 100}, {0, 0, 71, 120}, "which are 71 tokens; at most max_seqlen_k = 70"},
    {"far_beyond",
     {0, 60, 60, 100},
     {0, 50, 100, 2147483647},
     "cu_seqlens_k[3] is 2147483647; entries are at most 120"},
    {"the_first_of_several", {0, 60, 50, 200}, {0, -50, 500, 1}, "cu_seqlens_q[2] is 50; entries must not decrease"},
};

class BadLengthsTest : public testing::TestWithParam<BadLengths> {};

TEST_P(BadLengthsTest, AreNamedAndNothingIsLaunched) {
  const BadLengths& bad = GetParam();
  const Case c = make_case({60, 0, 40}, {50, 0, 70});
  const CaseTensors tensors(c, suite().plain());
  const DeviceBuffer cu_q = DeviceBuffer::of(bad.cu_seqlens_q), cu_k = DeviceBuffer::of(bad.cu_seqlens_k);
  MhaVarlenParams params = tensors.params();
  params.cu_seqlens_q = Tensor::contiguous(cu_q.data(), DType::kInt32, {4});
  params.cu_seqlens_k = Tensor::contiguous(cu_k.data(), DType::kInt32, {4});
  const CudaStream stream;
  const TestedMhaVarlen op = checked_operator(c);
  EXPECT_THAT(refusal(op, params, stream.get()), testing::HasSubstr(bad.words));
  // Every row is reported as missing and nothing else: 2 heads of 128 columns and one lse.
  EXPECT_THAT(tensors.take_output().wrong_place,
              testing::StartsWith("25600 of 25600 elements of out were not written; 200 of 200"));

  // The same operator serves the next call.
  EXPECT_EQ(refusal(op, tensors.params(), stream.get()), "");
  judge(c, tensors.expected(), tensors.take_output());
}

INSTANTIATE_TEST_SUITE_P(Launch, BadLengthsTest, testing::ValuesIn(kBadLengths),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Launch, DebugChecksSeeTheFaultOfARealBatchOfThousands) {
  // Only the last of 3000 sequences is wrong, so the check's threads must go through every round.
  std::vector<int> cu_seqlens(3001);
  for (std::size_t i = 0; i < cu_seqlens.size(); ++i) cu_seqlens[i] = static_cast<int>(i);
  cu_seqlens.back() = 2998;
  const Case c = make_case(std::vector<int>(3000, 1), std::vector<int>(3000, 1));
  const CaseTensors tensors(c, suite().plain());
  const DeviceBuffer cu = DeviceBuffer::of(cu_seqlens);
  MhaVarlenParams params = tensors.params();
  params.cu_seqlens_k = Tensor::contiguous(cu.data(), DType::kInt32, {3001});
  EXPECT_THAT(refusal(checked_operator(c), params, nullptr),
              testing::HasSubstr("sequence 2999: cu_seqlens_k[2999] is 2999 and cu_seqlens_k[3000] is 2998"));
}

TEST(Launch, DebugChecksAreRefusedInACaptureThatGoesOn) {
  const Case c = make_case({60, 0, 40}, {50, 0, 70});
  const CaseTensors tensors(c, suite().plain());
  const CudaStream stream;
  const TestedMhaVarlen checked = checked_operator(c);
  const TestedMhaVarlen& unchecked = tested_mha_varlen(c.config);
  const CudaGraph graph(stream, [&] {
    EXPECT_THAT(refusal(checked, tensors.params(), stream.get()), testing::HasSubstr("is being captured"));
    unchecked.run(tensors.params(), stream.get());
  });
  graph.launch(stream);
  judge(c, tensors.expected(), tensors.take_output());
}

}  // namespace
}  // namespace attnjit::gpu_tests
