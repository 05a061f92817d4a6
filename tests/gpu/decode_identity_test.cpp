// What must be the same by two ways: shards joined and the whole; a cache in e4m3 and the values that it stands for.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/gpu/decode_cases.h"
#include "tests/gpu/run_decode_case.h"
#include "tests/gpu/suite.h"
#include "tests/gpu/tested_mla_decode.h"
#include "tests/gpu/views.h"
#include "tests/reference/low_precision.h"

namespace attnjit::gpu_tests {
namespace {

Output run_once(const DecodeCase& c, const MlaDecodeParams& params, const DecodeTensors& tensors) {
  const TestedMlaDecode& op = tested_mla_decode(c);
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaStream stream;
  op.run(params, workspace, stream.get());
  return tensors.take_output();
}

/// States joined in float64: out and lse of all keys from those of disjoint sets of them.
struct Joined {
  std::vector<double> out;
  std::vector<double> lse;
};
Joined join(const std::vector<Output>& states, std::size_t columns, reference::Element element) {
  const std::size_t rows = states[0].lse.size();
  Joined joined{std::vector<double>(rows * columns), std::vector<double>(rows)};
  for (std::size_t row = 0; row < rows; ++row) {
    double largest = -std::numeric_limits<double>::infinity();
    for (const Output& state : states) largest = std::max(largest, double{state.lse[row]});
    double sum = 0;
    for (const Output& state : states) sum += std::isinf(largest) ? 0 : std::exp(state.lse[row] - largest);
    joined.lse[row] = std::isinf(largest) ? largest : largest + std::log(sum);
    for (const Output& state : states) {
      if (std::isinf(state.lse[row])) continue;
      const double weight = std::exp(state.lse[row] - joined.lse[row]);
      for (std::size_t c = 0; c < columns; ++c) {
        joined.out[row * columns + c] +=
            weight * reference::float_from_16bit(element, state.out_16bit[row * columns + c]);
      }
    }
  }
  return joined;
}

struct Sharding {
  int world;
  bool interleaved;
};

class DecodeShards : public testing::TestWithParam<Sharding> {};

TEST_P(DecodeShards, JoinedAreTheWhole) {
  const Sharding& sharding = GetParam();
  DecodeCase whole;
  whole.name = "whole";
  whole.config = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 1, true);
  whole.seq_lens = {1500, 3, 1, 0, 260};
  // Contiguous shards before the last one hold no new token, so all their keys are visible: one query asks the same of
  // both ways.
  whole.seqlen_q = sharding.interleaved ? 3 : 1;
  whole.heads = 16;
  DecodeTensors tensors(whole, suite().plain());
  const reference::Expected expected = tensors.expected();
  const Output unsharded = run_once(whole, tensors.params(), tensors);
  judge(whole, expected, unsharded);

  // Pages of one slot: a shard is the same cache seen through other page lists.
  std::vector<Output> states;
  for (int rank = 0; rank < sharding.world; ++rank) {
    std::vector<int> lens, begin{0}, indices;
    for (int b = 0; b < whole.batch(); ++b) {
      const int total = whole.seq_lens[b];
      const std::vector<int> slots = tensors.pages_of(b);
      const int share = (total + sharding.world - 1) / sharding.world;
      for (int key = 0; key < total; ++key) {
        const bool mine = sharding.interleaved ? key % sharding.world == rank : key / std::max(share, 1) == rank;
        if (mine) indices.push_back(slots[key]);
      }
      begin.push_back(static_cast<int>(indices.size()));
      lens.push_back(begin[b + 1] - begin[b]);
    }
    const DeviceBuffer device_lens = DeviceBuffer::of(lens), device_begin = DeviceBuffer::of(begin),
                       device_indices = DeviceBuffer::of(indices), totals = DeviceBuffer::of(whole.seq_lens);
    MlaDecodeParams params = tensors.params();
    params.block_table = {};
    const auto ints = [](const DeviceBuffer& buffer, std::size_t size) {
      return Tensor::contiguous(buffer.data(), DType::kInt32, {static_cast<std::int64_t>(size)});
    };
    params.kv_indptr = ints(device_begin, begin.size());
    params.kv_indices = ints(device_indices, indices.size());
    params.seq_lens = ints(device_lens, lens.size());
    if (sharding.interleaved) {
      params.total_seq_lens = ints(totals, lens.size());
      params.cp_rank = rank;
      params.cp_world = sharding.world;
    }
    states.push_back(run_once(whole, params, tensors));
    EXPECT_EQ(states.back().wrong_place, "");
  }

  const Joined joined = join(states, 512, reference::Element::kBFloat16);
  // A shard's output is rounded to bf16 before it is weighed: half a unit in the last place of values below 4, besides
  // what the whole may be off by.
  const double slack = 2 * reference::judge_16bit(expected, unsharded.out_16bit).allowed + 4.0 / 512;
  for (std::size_t i = 0; i < joined.out.size(); ++i) {
    ASSERT_NEAR(joined.out[i], expected.out[i], slack) << "element " << i;
  }
  for (std::size_t row = 0; row < joined.lse.size(); ++row) {
    if (joined.lse[row] == expected.lse[row]) continue;  // -inf
    ASSERT_NEAR(joined.lse[row], expected.lse[row], 2 * (1e-4 + 2e-6 * expected.magnitude[row])) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Identity, DecodeShards,
                         testing::Values(Sharding{2, false}, Sharding{3, false}, Sharding{8, false}, Sharding{2, true},
                                         Sharding{3, true}, Sharding{8, true}),
                         [](const auto& row) {
                           return fmt::format("{}_{}", row.param.interleaved ? "interleaved" : "contiguous",
                                              row.param.world);
                         });

class DecodeFormats : public testing::TestWithParam<CacheFormat> {};

/// A cache in e4m3 and one in bf16 that holds what it stands for give the same bits: products and sums are the same.
/// The scale of kE4M3 is a power of two here, so that it may be applied to the codes or to the sums.
TEST_P(DecodeFormats, HoldWhatTheyStandFor) {
  for (const int heads : {16, 24, 128}) {
    SCOPED_TRACE(heads);
    DecodeCase packed;
    packed.name = "packed";
    packed.config = decode_config(512, 64, DType::kBFloat16, GetParam(), 64, true);
    packed.seq_lens = {2000, 33, 0, 700};
    packed.heads = heads;
    packed.cache_scale = 1.f / 32;
    DecodeTensors tensors(packed, suite().plain());
    const Output from_codes = run_once(packed, tensors.params(), tensors);

    DecodeCase plain = packed;
    plain.config = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true);
    const Output from_values = run_once(plain, tensors.with_16bit_cache(), tensors);
    EXPECT_TRUE(from_codes == from_values);
  }
}

INSTANTIATE_TEST_SUITE_P(Identity, DecodeFormats, testing::Values(CacheFormat::kE4M3, CacheFormat::kE4M3Rows),
                         [](const auto& row) { return row.param == CacheFormat::kE4M3 ? "e4m3" : "rows656"; });

}  // namespace
}  // namespace attnjit::gpu_tests
