// The CPU loop against results worked out by hand.
#include "verify/reference/cpu_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One small problem in bf16: tensors are row-major, [tokens, heads, columns].
struct Problem {
  std::vector<i32> cu_q;
  std::vector<i32> cu_k;
  int heads = 1;
  int kv_heads = 1;
  int columns = 1;  // of q, k and v
  bool causal = false;
  float softmax_scale = 1;
  std::vector<float> q, k, v;
};

struct Solution {
  std::vector<double> out, lse, magnitude;
  std::vector<float> yardstick;
};

std::vector<u16> to_bf16(const std::vector<float>& values) {
  std::vector<u16> bits;
  for (const float value : values) bits.push_back(bf16_from_float(value));
  return bits;
}

Solution solve(const Problem& problem) {
  const std::vector<u16> q = to_bf16(problem.q), k = to_bf16(problem.k), v = to_bf16(problem.v);
  const i64 row = problem.columns;
  const int tokens = problem.cu_q.back();
  Solution s;
  s.out.resize(tokens * problem.heads * row);
  s.yardstick.resize(s.out.size());
  s.lse.resize(tokens * problem.heads);
  s.magnitude.resize(s.lse.size());
  AttentionParams p;
  p.q_nope = {q.data(), problem.heads * row, row};
  p.k_nope = {k.data(), problem.kv_heads * row, row};
  p.v = {v.data(), problem.kv_heads * row, row};
  p.cu_seqlens_q = problem.cu_q.data();
  p.cu_seqlens_k = problem.cu_k.data();
  p.batch = static_cast<int>(problem.cu_q.size()) - 1;
  p.tokens_q = tokens;
  p.heads = problem.heads;
  p.qhead_per_kvhead = problem.heads / problem.kv_heads;
  p.nope_columns = p.v_columns = problem.columns;
  p.causal = problem.causal;
  p.softmax_scale = problem.softmax_scale;
  p.out = s.out.data();
  p.lse = s.lse.data();
  p.magnitude = s.magnitude.data();
  p.yardstick_out = s.yardstick.data();
  reference_on_cpu(p, Element::kBFloat16);
  yardstick_on_cpu(p, Element::kBFloat16);
  return s;
}

TEST(CpuAttention, OneKeyGivesItsValue) {
  const Solution s = solve(
      {.cu_q = {0, 1}, .cu_k = {0, 1}, .columns = 2, .softmax_scale = 0.5f, .q = {3, 2}, .k = {1, -4}, .v = {7, -5}});
  EXPECT_EQ(s.out, (std::vector<double>{7, -5}));
  EXPECT_EQ(s.yardstick, (std::vector<float>{7, -5}));
  EXPECT_DOUBLE_EQ(s.lse[0], 0.5 * (3 - 8));
  EXPECT_DOUBLE_EQ(s.magnitude[0], 0.5 * (3 + 8));
}

TEST(CpuAttention, EqualKeysGiveTheMean) {
  const Solution s = solve({.cu_q = {0, 1}, .cu_k = {0, 4}, .q = {2}, .k = {1, 1, 1, 1}, .v = {1, 2, 3, 6}});
  EXPECT_DOUBLE_EQ(s.out[0], 3);
  EXPECT_EQ(s.yardstick[0], 3);
  EXPECT_DOUBLE_EQ(s.lse[0], 2 + std::log(4));
}

TEST(CpuAttention, TwoKeysAreWeighedByTheirScores) {
  const float ln2 = float_from_bf16(bf16_from_float(std::numbers::ln2_v<float>));
  const Solution s = solve({.cu_q = {0, 1}, .cu_k = {0, 2}, .q = {1}, .k = {ln2, 0}, .v = {3, 0}});
  const double ratio = std::exp(double{ln2});
  const double weight = ratio / (ratio + 1);
  EXPECT_DOUBLE_EQ(s.out[0], 3 * weight);
  // 2/3 has no bf16 value: the low-precision baseline shows how P is rounded.
  EXPECT_EQ(s.yardstick[0], 3 * float_from_bf16(bf16_from_float(static_cast<float>(weight))));
  EXPECT_NE(s.yardstick[0], static_cast<float>(s.out[0]));
}

TEST(CpuAttention, CausalIsAlignedToTheBottomRight) {
  // Two queries, three keys: the first sees two keys, the second all three.
  const Solution s =
      solve({.cu_q = {0, 2}, .cu_k = {0, 3}, .causal = true, .q = {0, 0}, .k = {1, 1, 1}, .v = {2, 4, 12}});
  EXPECT_DOUBLE_EQ(s.out[0], 3);
  EXPECT_DOUBLE_EQ(s.out[1], 6);
}

TEST(CpuAttention, RowsWithoutKeysAreZero) {
  // Three queries, one key: only the last query sees it.
  const Solution s = solve({.cu_q = {0, 3}, .cu_k = {0, 1}, .causal = true, .q = {1, 1, 1}, .k = {2}, .v = {5}});
  EXPECT_EQ(s.out, (std::vector<double>{0, 0, 5}));
  EXPECT_EQ(s.lse[0], -kInfinity);
  EXPECT_EQ(s.lse[1], -kInfinity);
  EXPECT_EQ(s.lse[2], 2);
}

TEST(CpuAttention, SequencesSeeTheirOwnKeys) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Solution s =
      solve({.cu_q = {0, 1, 1, 2}, .cu_k = {0, 1, 2, 4}, .q = {0, 0}, .k = {0, nan, 0, 0}, .v = {9, nan, 1, 3}});
  EXPECT_EQ(s.out, (std::vector<double>{9, 2}));
}

TEST(CpuAttention, GroupsOfHeadsShareAKeyHead) {
  // Four query heads, two key heads: heads 0 and 1 read key head 0, heads 2 and 3 read key head 1.
  const Solution s =
      solve({.cu_q = {0, 1}, .cu_k = {0, 1}, .heads = 4, .kv_heads = 2, .q = {1, 2, 3, 4}, .k = {1, 10}, .v = {5, 6}});
  EXPECT_EQ(s.out, (std::vector<double>{5, 5, 6, 6}));
  EXPECT_EQ(s.lse, (std::vector<double>{1, 2, 30, 40}));
}

TEST(CpuAttention, ScoresOfTenThousandDoNotOverflow) {
  const Solution s =
      solve({.cu_q = {0, 1}, .cu_k = {0, 2}, .softmax_scale = 1, .q = {100}, .k = {100, -100}, .v = {1, 2}});
  EXPECT_EQ(s.out[0], 1);
  EXPECT_EQ(s.lse[0], 10000);
}

}  // namespace
}  // namespace attnjit::reference
