// The CPU loop of merging against results worked out by hand.
#include "verify/reference/cpu_merge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

/// States of one row of two columns.
struct Row {
  std::vector<float> lse;
  std::vector<float> out;  // [states, 2]

  struct Result {
    std::vector<double> out{9, 9};
    double lse = 9;
    double magnitude = 9;
    std::vector<float> yardstick{9, 9};
  };
  Result merged() const {
    Result result;
    MergeParams p;
    p.out = {out.data(), 0, 0};
    p.lse = {lse.data(), 0, 0};
    p.out_state_stride = 2;
    p.lse_state_stride = 1;
    p.element = Element::kFloat32;
    p.states = static_cast<int>(lse.size());
    p.tokens = p.heads = 1;
    p.columns = 2;
    p.merged_out = result.out.data();
    p.merged_lse = &result.lse;
    p.magnitude = &result.magnitude;
    p.yardstick_out = result.yardstick.data();
    merge_on_cpu(p);
    return result;
  }
};

TEST(CpuMerge, EqualLseIsTheMean) {
  const auto result = Row{{3, 3}, {1, 2, 5, 10}}.merged();
  EXPECT_EQ(result.out, (std::vector<double>{3, 6}));
  EXPECT_DOUBLE_EQ(result.lse, 3 + std::log(2.0));
  EXPECT_EQ(result.magnitude, 3);
  EXPECT_EQ(result.yardstick, (std::vector<float>{3, 6}));
}

TEST(CpuMerge, WeighsByTheNumberOfKeys) {
  // One key against three equal ones: e^lse is 1 and 3.
  const auto result = Row{{0, std::log(3.f)}, {4, 0, 8, 4}}.merged();
  EXPECT_NEAR(result.out[0], 7, 1e-6);
  EXPECT_NEAR(result.out[1], 3, 1e-6);
  EXPECT_NEAR(result.lse, std::log(4.0), 1e-6);
}

TEST(CpuMerge, AStateWithoutKeysEntersNothing) {
  for (const float none : {-kInf, kInf, kNan}) {
    const auto result = Row{{none, -2, none}, {kNan, kInf, 5, 7, kNan, kNan}}.merged();
    EXPECT_EQ(result.out, (std::vector<double>{5, 7}));
    EXPECT_EQ(result.lse, -2);
    EXPECT_EQ(result.magnitude, 2);
    EXPECT_EQ(result.yardstick, (std::vector<float>{5, 7}));
  }
}

TEST(CpuMerge, NoKeysAtAll) {
  for (const Row& row : {Row{{-kInf, kNan}, {kNan, kNan, kNan, kNan}}, Row{}}) {
    const auto result = row.merged();
    EXPECT_EQ(result.out, (std::vector<double>{0, 0}));
    EXPECT_EQ(result.lse, -kInf);
  }
}

TEST(CpuMerge, ReadsStridesAndTwoStatesApart) {
  // [tokens, heads] = [2, 2] in bf16, a with the strides of [T, H] and b with those of [H, T].
  std::vector<std::uint16_t> a, b;
  for (int i = 0; i < 4; ++i) {
    a.push_back(bf16_from_float(static_cast<float>(i)));
    b.push_back(bf16_from_float(static_cast<float>(10 * i)));
  }
  const std::vector<float> lse_a{0, 0, 0, -kInf}, lse_b{0, 0, -kInf, 0};  // b's as [H, T]: -inf at (t 0, h 1)
  std::vector<double> out(4), lse(4), magnitude(4);
  std::vector<float> yardstick(4);
  MergeParams p;
  p.out = {a.data(), 2, 1};
  p.lse = {lse_a.data(), 2, 1};
  p.second_out = {b.data(), 1, 2};
  p.second_lse = {lse_b.data(), 1, 2};
  p.element = Element::kBFloat16;
  p.states = 2;
  p.apart = true;
  p.tokens = p.heads = 2;
  p.columns = 1;
  p.merged_out = out.data();
  p.merged_lse = lse.data();
  p.magnitude = magnitude.data();
  p.yardstick_out = yardstick.data();
  merge_on_cpu(p);
  // (0,0): 0 and 0; (0,1): a alone, 1; (1,0): 2 and 10; (1,1): b alone, 30.
  EXPECT_EQ(out, (std::vector<double>{0, 1, 6, 30}));
  EXPECT_EQ(lse[1], 0);
  EXPECT_DOUBLE_EQ(lse[2], std::log(2.0));
}

}  // namespace
}  // namespace attnjit::reference
