// The CPU loop of MLA decode against results worked out by hand.
#include "verify/reference/cpu_decode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One small problem in bf16 with one head: rows of latent + rope columns; `cache` is [pages, page_size, columns].
struct Problem {
  int latent = 1;
  int rope = 0;
  int page_size = 1;
  std::vector<i32> cu_q;
  std::vector<i32> seq_lens;
  std::vector<i32> page_list;
  std::vector<i64> page_begin;
  std::vector<float> q;
  std::vector<float> cache;
  bool causal = false;
  std::vector<i32> total_seq_lens{};
  int cp_rank = 0;
  int cp_world = 1;
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

Solution solve(DecodeParams p, const Problem& problem) {
  const int tokens = problem.cu_q.back();
  Solution s;
  s.out.resize(tokens * p.latent_columns);
  s.yardstick.resize(s.out.size());
  s.lse.resize(tokens);
  s.magnitude.resize(tokens);
  p.cu_seqlens_q = problem.cu_q.data();
  p.seq_lens = problem.seq_lens.data();
  p.total_seq_lens = problem.total_seq_lens.empty() ? problem.seq_lens.data() : problem.total_seq_lens.data();
  p.page_list = problem.page_list.data();
  p.page_begin = problem.page_begin.data();
  p.page_size = problem.page_size;
  p.batch = static_cast<int>(problem.seq_lens.size());
  p.tokens = tokens;
  p.heads = 1;
  p.causal = problem.causal;
  p.cp_rank = problem.cp_rank;
  p.cp_world = problem.cp_world;
  p.out = s.out.data();
  p.lse = s.lse.data();
  p.magnitude = s.magnitude.data();
  p.yardstick_out = s.yardstick.data();
  decode_reference_on_cpu(p, Element::kBFloat16);
  decode_yardstick_on_cpu(p, Element::kBFloat16);
  return s;
}

Solution solve(const Problem& problem) {
  const std::vector<u16> q = to_bf16(problem.q), cache = to_bf16(problem.cache);
  const i64 columns = problem.latent + problem.rope;
  DecodeParams p;
  p.latent_columns = problem.latent;
  p.rope_columns = problem.rope;
  p.q_nope = {q.data(), columns, columns};
  p.q_pe = {q.data() + problem.latent, columns, columns};
  p.latent = {cache.data(), problem.page_size * columns, columns};
  p.rope = {cache.data() + problem.latent, problem.page_size * columns, columns};
  return solve(p, problem);
}

TEST(CpuDecode, TheLatentPartIsTheValueAndAllColumnsAreTheKey) {
  const Solution s = solve({.latent = 2,
                            .rope = 1,
                            .cu_q = {0, 1},
                            .seq_lens = {1},
                            .page_list = {0},
                            .page_begin = {0},
                            .q = {3, 2, -1},
                            .cache = {1, -4, 5}});
  EXPECT_EQ(s.out, (std::vector<double>{1, -4}));
  EXPECT_EQ(s.yardstick, (std::vector<float>{1, -4}));
  EXPECT_DOUBLE_EQ(s.lse[0], 3 - 8 - 5);
  EXPECT_DOUBLE_EQ(s.magnitude[0], 3 + 8 + 5);
}

TEST(CpuDecode, PagesAreLookedUp) {
  // Pages of two slots, three keys on pages 2 and 0. The other slots would give other means.
  const Solution s = solve({.page_size = 2,
                            .cu_q = {0, 1},
                            .seq_lens = {3},
                            .page_list = {9, 2, 0},
                            .page_begin = {1},
                            .q = {0},
                            .cache = {6, 100, 100, 100, 1, 2}});
  EXPECT_DOUBLE_EQ(s.out[0], 3);
  EXPECT_DOUBLE_EQ(s.lse[0], std::log(3));
}

TEST(CpuDecode, CausalIsAlignedToTheBottomRight) {
  // Three queries, two keys: the first sees none.
  const Solution s = solve({.cu_q = {0, 3},
                            .seq_lens = {2},
                            .page_list = {0, 1},
                            .page_begin = {0},
                            .q = {0, 0, 0},
                            .cache = {2, 6},
                            .causal = true});
  EXPECT_EQ(s.out, (std::vector<double>{0, 2, 4}));
  EXPECT_EQ(s.lse[0], -kInfinity);
  EXPECT_EQ(s.lse[1], 0);
}

TEST(CpuDecode, AShardGoesByGlobalPositions) {
  // Keys 1 and 3 of four; the first of the two queries sees keys up to 2.
  const Solution s = solve({.cu_q = {0, 2},
                            .seq_lens = {2},
                            .page_list = {0, 1},
                            .page_begin = {0},
                            .q = {0, 0},
                            .cache = {2, 6},
                            .causal = true,
                            .total_seq_lens = {4},
                            .cp_rank = 1,
                            .cp_world = 2});
  EXPECT_EQ(s.out, (std::vector<double>{2, 4}));
}

TEST(CpuDecode, SequencesWithoutKeysOrQueries) {
  const Solution s = solve({.cu_q = {0, 1, 1, 2},
                            .seq_lens = {0, 1, 1},
                            .page_list = {0, 1},
                            .page_begin = {0, 0, 1},
                            .q = {1, 1},
                            .cache = {5, 7}});
  EXPECT_EQ(s.out, (std::vector<double>{0, 7}));
  EXPECT_EQ(s.lse, (std::vector<double>{-kInfinity, 7}));
}

TEST(CpuDecode, E4M3HasOneScale) {
  const std::vector<u8> cache{0x38, 0xc0};  // 1 and -2
  const std::vector<u16> q = to_bf16({1});
  DecodeParams p;
  p.format = CacheRowFormat::kE4M3;
  p.latent_columns = 1;
  p.cache_scale = 0.25f;
  p.q_nope = {q.data(), 1, 1};
  p.latent = {cache.data(), 1, 1};
  const Problem problem{.cu_q = {0, 1}, .seq_lens = {2}, .page_list = {0, 1}, .page_begin = {0}, .q = {}, .cache = {}};
  const Solution s = solve(p, problem);
  const double weight = 1 / (1 + std::exp(-0.75));
  EXPECT_NEAR(s.out[0], 0.25 * weight - 0.5 * (1 - weight), 1e-15);
}

TEST(CpuDecode, RowsOf656BytesHaveAScalePer128AndRopeInBf16) {
  std::vector<u8> row(656, 0);
  const auto put = [&](std::size_t at, const auto& value) { std::memcpy(row.data() + at, &value, sizeof value); };
  row[0] = row[127] = row[128] = row[511] = 0x38;  // 1
  const float scales[4] = {2, 3, 5, 7};
  put(512, scales);
  put(528 + 2 * 63, bf16_from_float(11));
  std::vector<float> q(576, 0);
  q[511] = 1;
  q[575] = 10;
  const std::vector<u16> q_bits = to_bf16(q);
  DecodeParams p;
  p.format = CacheRowFormat::k656Bytes;
  p.latent_columns = 512;
  p.rope_columns = 64;
  p.q_nope = {q_bits.data(), 576, 576};
  p.q_pe = {q_bits.data() + 512, 576, 576};
  p.latent = {row.data(), 656, 656};
  const Problem problem{.cu_q = {0, 1}, .seq_lens = {1}, .page_list = {0}, .page_begin = {0}, .q = {}, .cache = {}};
  const Solution s = solve(p, problem);
  EXPECT_EQ(s.out[0], 2);
  EXPECT_EQ(s.out[127], 2);
  EXPECT_EQ(s.out[128], 3);
  EXPECT_EQ(s.out[129], 0);
  EXPECT_EQ(s.out[511], 7);
  EXPECT_EQ(s.lse[0], 7 + 110);
}

}  // namespace
}  // namespace attnjit::reference
