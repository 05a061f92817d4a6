// Decode with the kernels' own source: merged shards equal the whole, and an e4m3 cache equals a cache of the values it
// represents.
#include <gtest/gtest.h>

#include <vector>

#include "emulator/emulated_operator.h"
#include "tests/emulator/run_here.h"
#include "verify/mla_decode/sharded.h"
#include "verify/mla_decode/tensors.h"
#include "verify/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

using gpu_tests::DecodeCase;
using gpu_tests::DecodeTensors;
using gpu_tests::Output;
using gpu_tests::ShardedCase;

void decode_here(const DecodeCase& c, const MlaDecodeParams& params) {
  emulator::EmulatedMlaDecode(objects_here(), c.config, features_of(c, features_here())).run(params, {.seed = 21});
}

class EmulatedShardRunner final : public gpu_tests::ShardRunner {
 public:
  void decode(const DecodeCase& c, const MlaDecodeParams& params, const MlaDecodeBounds&) const override {
    decode_here(c, params);
  }
  void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const override {
    emulator::EmulatedMergeStates(objects_here(), config, features_here()).run(params, {.seed = 22});
  }
};

std::vector<ShardedCase> sharded_cases() {
  std::vector<ShardedCase> cases;
  for (const bool e4m3_output : {false, true}) {
    for (const bool interleaved : {false, true}) {
      for (const int world : {2, 3, 8}) {
        ShardedCase c;
        c.whole.config = {.kv_lora_rank = 256, .rope_dim = 32, .page_size = 1};
        if (e4m3_output) c.whole.config.out_dtype = DType::kFloat8E4M3;
        c.whole.seq_lens = {90, 3, 1, 0, 26};
        c.whole.seqlen_q = interleaved ? 3 : 1;
        c.whole.heads = 3;
        c.whole.sms = 2;
        c.whole.seed = 41 + cases.size();
        c.world = world;
        c.interleaved = interleaved;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

class EmulatedDecodeShards : public testing::TestWithParam<ShardedCase> {};

TEST_P(EmulatedDecodeShards, JoinedAreTheWhole) {
  const reference::CpuKernels plain;
  EXPECT_EQ(run_sharded_decode(GetParam(), EmulatedShardRunner(), plain).trouble(), "");
}

INSTANTIATE_TEST_SUITE_P(Identity, EmulatedDecodeShards, testing::ValuesIn(sharded_cases()),
                         [](const auto& test) { return test.param.name(); });

class EmulatedDecodeFormats : public testing::TestWithParam<CacheFormat> {};

/// Products and sums are the same, and therefore the bits are; the scale of kE4M3 is a power of two.
TEST_P(EmulatedDecodeFormats, HoldWhatTheyStandFor) {
  DecodeCase packed;
  packed.config = {.kv_lora_rank = 512, .rope_dim = 64, .cache_format = GetParam(), .page_size = 16};
  packed.seq_lens = {70, 0, 33};
  packed.heads = 3;
  packed.sms = 2;
  packed.cache_scale = 1.f / 32;
  const reference::CpuKernels kernels;
  DecodeTensors tensors(packed, kernels);
  decode_here(packed, tensors.params());
  const Output from_codes = tensors.take_output();
  EXPECT_EQ(from_codes.wrong_place, "");

  DecodeCase plain = packed;
  plain.config.cache_format = CacheFormat::kSame;
  decode_here(plain, tensors.with_16bit_cache());
  EXPECT_TRUE(from_codes == tensors.take_output());
}

INSTANTIATE_TEST_SUITE_P(Identity, EmulatedDecodeFormats, testing::Values(CacheFormat::kE4M3, CacheFormat::kE4M3Rows),
                         [](const auto& row) { return row.param == CacheFormat::kE4M3 ? "e4m3" : "rows656"; });

}  // namespace
}  // namespace attnjit::emulator_tests
