// Two ways that must give the same result: merged shards and the whole; an e4m3 cache and the values that it
// represents.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/gpu/merge_states/tested.h"
#include "tests/gpu/mla_decode/tested.h"
#include "tests/gpu/suite.h"
#include "verify/mla_decode/cases.h"
#include "verify/mla_decode/sharded.h"
#include "verify/mla_decode/tensors.h"

namespace attnjit::gpu_tests {
namespace {

Output run_once(const DecodeCase& c, const MlaDecodeParams& params, const DecodeTensors& tensors) {
  const TestedMlaDecode& op = tested_mla_decode(c);
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaStream stream;
  op.run(params, workspace, stream.get());
  return tensors.take_output();
}

class GpuShardRunner final : public ShardRunner {
 public:
  void decode(const DecodeCase& c, const MlaDecodeParams& params, const MlaDecodeBounds& bounds) const override {
    const TestedMlaDecode& op = tested_mla_decode(c);
    const DeviceBuffer workspace = op.workspace(bounds);
    const CudaStream stream;
    op.run(params, workspace, stream.get());
    stream.wait();
  }
  void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const override {
    tested_merge_states(config).run(params, nullptr);
  }
};

std::vector<ShardedCase> sharded_cases() {
  std::vector<ShardedCase> cases;
  for (const bool e4m3_output : {false, true}) {
    for (const bool interleaved : {false, true}) {
      for (const int world : {2, 3, 8}) {
        ShardedCase c;
        c.whole.name = "whole";
        c.whole.config = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 1, true, e4m3_output);
        c.whole.seq_lens = {1500, 3, 1, 0, 260};
        // Contiguous shards before the last one hold no new token, so all their keys are visible. With a single query
        // both ways compute the same.
        c.whole.seqlen_q = interleaved ? 3 : 1;
        c.whole.heads = 16;
        c.whole.seed = 31 + cases.size();
        c.world = world;
        c.interleaved = interleaved;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

class DecodeShards : public testing::TestWithParam<ShardedCase> {};

TEST_P(DecodeShards, JoinedAreTheWhole) {
  SCOPED_TRACE(testing::PrintToString(GetParam()));
  const ShardedResult result = run_sharded_decode(GetParam(), GpuShardRunner(), suite().plain());
  EXPECT_EQ(result.trouble(), "");
  RecordProperty("error", fmt::format("{:.4g}", result.joined_out.error));
  RecordProperty("allowed", fmt::format("{:.4g}", result.joined_out.allowed));
  RecordProperty("yardstick_error", fmt::format("{:.4g}", result.joined_out.yardstick_error));
  RecordProperty("whole_error", fmt::format("{:.4g}", result.whole_out.error));
  RecordProperty("lse_error_of_allowed", fmt::format("{:.4g}", result.joined_lse.error));
}

INSTANTIATE_TEST_SUITE_P(Identity, DecodeShards, testing::ValuesIn(sharded_cases()),
                         [](const auto& test) { return test.param.name(); });

class DecodeFormats : public testing::TestWithParam<CacheFormat> {};

/// An e4m3 cache and a bf16 cache of the values it represents give the same bits, because products and sums are the
/// same. The scale of kE4M3 is a power of two here, so that it may be applied to the codes or to the sums.
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
