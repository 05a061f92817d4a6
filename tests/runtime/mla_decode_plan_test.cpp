// Which kernels an mla_decode config gets, and what a call launches: everything decided before the driver is called.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/mla_decode/kernels.h"
#include "tests/runtime/mla_decode_case.h"
#include "tests/support/would_launch.h"

namespace {

using attnjit::CacheFormat;
using attnjit::DType;
using attnjit::MlaDecodeConfig;
using attnjit::runtime::choose_mla_decode;
using attnjit::runtime::KernelPlan;
using attnjit::runtime::LaunchOrder;
using attnjit::runtime::MlaDecodeCall;
using attnjit::runtime::sm_features;
using attnjit::test::address;
using attnjit::test::decode_config;
using attnjit::test::decode_params;

attnjit::runtime::SmFeatures features_of(const char* target) {
  return sm_features(attnjit::jit::Target::parse(target));
}

int field_of(const KernelPlan& plan, const char* name) {
  for (const auto& field : plan.spec.fields) {
    if (field.name == name) return field.json == "true" ? 1 : field.json == "false" ? 0 : std::stoi(field.json);
  }
  ADD_FAILURE() << plan.spec.family << " has no field " << name;
  return 0;
}

std::vector<MlaDecodeConfig> every_config() {
  std::vector<MlaDecodeConfig> configs;
  const std::pair<int, int> dims[] = {{512, 64}, {256, 64}, {256, 32}, {512, 0}};
  for (const auto& [r, p] : dims) {
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
      if (format == CacheFormat::kE4M3Rows && (r != 512 || p != 64)) continue;
      for (const int page_size : {1, 16, 32, 64, 128}) {
        for (const bool fp8_output : {false, true}) {
          MlaDecodeConfig config{.kv_lora_rank = r, .rope_dim = p, .cache_format = format, .page_size = page_size};
          if (fp8_output) config.out_dtype = DType::kFloat8E4M3;
          configs.push_back(config);
        }
      }
    }
  }
  return configs;
}

/// `batch` sequences of `seqlen_q` queries with `heads` heads.
MlaDecodeCall call_of(int batch, int seqlen_q, int heads) {
  MlaDecodeCall call{};
  call.params.batch = batch;
  call.params.max_seqlen_q = seqlen_q;
  call.params.num_heads = heads;
  return call;
}

auto launches(const attnjit::runtime::MlaDecodeKernels& kernels, const MlaDecodeCall& call) {
  return attnjit::test_support::WouldLaunch<attnjit::kernel::MlaDecodeParams>(kernels, call).launches();
}

TEST(MlaDecodePlan, EveryConfigFitsEverySm) {
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    const auto features = features_of(target);
    for (const MlaDecodeConfig& config : every_config()) {
      const auto kernels = choose_mla_decode(config, features);
      ASSERT_GE(kernels->plans().size(), 2u);
      ASSERT_LE(kernels->plans().size(), 4u);
      EXPECT_EQ(kernels->plans().back().spec.family, "sm80_mla_combine");
      for (const KernelPlan& plan : kernels->plans()) {
        EXPECT_LE(plan.smem_bytes, features.smem_per_cta) << target << " " << plan.spec.config_json();
        EXPECT_EQ(field_of(plan, "dependent_launch"), features.sm >= 90) << target;
      }
    }
  }
}

TEST(MlaDecodePlan, TilesAreWhatFitsTheSharedMemory) {
  const auto tiles = [](const char* target, CacheFormat format, int r = 512, int p = 64) {
    MlaDecodeConfig config{.kv_lora_rank = r, .rope_dim = p, .cache_format = format};
    std::string text;
    const auto kernels = choose_mla_decode(config, features_of(target));
    for (const KernelPlan& plan : kernels->plans()) {
      if (plan.spec.family != "sm80_mla_decode") continue;
      text += std::to_string(field_of(plan, "block_m")) + "x" + std::to_string(field_of(plan, "block_n")) + "s" +
              std::to_string(field_of(plan, "stages")) + "c" + std::to_string(field_of(plan, "ctas_per_sm")) + " ";
    }
    return text;
  };
  EXPECT_EQ(tiles("sm_90a", CacheFormat::kSame), "16x32s2c2 32x32s2c1 64x32s2c1 ");
  EXPECT_EQ(tiles("sm_90a", CacheFormat::kE4M3), "16x32s2c2 32x32s2c1 64x32s1c1 ");
  EXPECT_EQ(tiles("sm_90a", CacheFormat::kE4M3Rows), "16x32s2c2 32x32s2c1 64x32s1c1 ");
  EXPECT_EQ(tiles("sm_80", CacheFormat::kSame), "16x32s2c1 32x32s2c1 ");
  EXPECT_EQ(tiles("sm_80", CacheFormat::kSame, 256, 64), "16x32s2c2 32x32s2c1 64x32s2c1 ");
  EXPECT_EQ(tiles("sm_89", CacheFormat::kSame), "16x16s3c1 ");
  EXPECT_EQ(tiles("sm_80", CacheFormat::kE4M3), "16x32s2c1 32x16s3c1 ");
  EXPECT_EQ(tiles("sm_89", CacheFormat::kE4M3), "16x16s3c1 32x16s3c1 ");
  EXPECT_EQ(tiles("sm_89", CacheFormat::kE4M3Rows), "16x16s3c1 ");
  EXPECT_EQ(tiles("sm_89", CacheFormat::kSame, 256, 32), "16x32s2c1 32x32s2c1 ");
}

TEST(MlaDecodePlan, TheSmallestTileThatHoldsARowOfEachHeadIsTaken) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_90a"));
  const auto block_m = [&](int seqlen_q, int heads) {
    const auto launch = launches(*kernels, call_of(4, seqlen_q, heads)).at(0);
    EXPECT_EQ(launch.args.block_m, field_of(kernels->plans()[launch.plan], "block_m"));
    return launch.args.block_m;
  };
  EXPECT_EQ(block_m(1, 1), 16);
  EXPECT_EQ(block_m(1, 16), 16);
  EXPECT_EQ(block_m(2, 8), 16);
  EXPECT_EQ(block_m(1, 17), 32);
  EXPECT_EQ(block_m(2, 16), 32);
  EXPECT_EQ(block_m(1, 40), 64);
  EXPECT_EQ(block_m(1, 128), 64);
}

TEST(MlaDecodePlan, TheGridIsWhatTheDeviceHoldsAtOnce) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_90a"));  // 132 SMs
  auto launched = launches(*kernels, call_of(128, 1, 16));
  ASSERT_EQ(launched.size(), 2u);
  EXPECT_EQ(launched[0].args.parts, 264);
  EXPECT_EQ(launched[0].ctas, 264u);
  EXPECT_EQ(launched[1].args.combine_rows, 8);
  EXPECT_EQ(launched[1].ctas, 128u * 2);
  EXPECT_EQ(launched[1].plan, 3);
  EXPECT_EQ(launched[1].order, LaunchOrder::kOverlapsPrevious);

  launched = launches(*kernels, call_of(1, 1, 128));
  ASSERT_EQ(launched.size(), 2u);
  EXPECT_EQ(launched[0].args.m_blocks, 2);
  EXPECT_EQ(launched[0].args.parts, 66);
  EXPECT_EQ(launched[0].ctas, 132u);
  EXPECT_EQ(launched[1].args.combine_rows, 1);
  EXPECT_EQ(launched[1].ctas, 128u);
}

TEST(MlaDecodePlan, RowsPerCtaOfTheJoiningKernelFollowThePieces) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_90a"));
  const auto rows = [&](int batch) { return launches(*kernels, call_of(batch, 1, 16)).at(1).args.combine_rows; };
  EXPECT_EQ(rows(16), 1);  // 264 splits are more than 16 per sequence
  EXPECT_EQ(rows(17), 2);
  EXPECT_EQ(rows(32), 2);
  EXPECT_EQ(rows(33), 4);
  EXPECT_EQ(rows(65), 4);
  EXPECT_EQ(rows(66), 8);
}

TEST(MlaDecodePlan, OnePartNeedsNoJoining) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_90a"));
  const MlaDecodeCall call = call_of(2, 100, 128);  // 200 row tiles for 132 CTAs
  const auto launched = launches(*kernels, call);
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].args.parts, 1);
  EXPECT_EQ(launched[0].ctas, 200u);
  EXPECT_EQ(kernels->schedule(call).workspace_bytes, 2u * 16);
}

TEST(MlaDecodePlan, OlderSmsLaunchOneAfterTheOther) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_80"));
  EXPECT_EQ(kernels->schedule(call_of(4, 1, 16))[1].order, LaunchOrder::kAfterPrevious);
}

TEST(MlaDecodePlan, NothingToDoIsNoLaunch) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_90a"));
  EXPECT_TRUE(kernels->schedule(call_of(0, 1, 16)).empty()) << "no sequence";
  EXPECT_TRUE(kernels->schedule(call_of(3, 0, 16)).empty()) << "no query";
}

TEST(MlaDecodePlan, WorkspaceOfTheBoundsHoldsEveryCallWithinThem) {
  for (const char* target : {"sm_80", "sm_89", "sm_90a"}) {
    for (const int r : {512, 256}) {
      const MlaDecodeConfig config{.kv_lora_rank = r, .rope_dim = 64};
      const auto kernels = choose_mla_decode(config, features_of(target));
      const attnjit::MlaDecodeBounds bounds{.batch = 33, .max_seqlen_q = 4, .num_heads = 48};
      const std::size_t bytes = kernels->workspace_bytes(bounds);
      std::size_t most = 0;
      for (int batch = 1; batch <= 33; ++batch) {
        for (int seqlen_q = 1; seqlen_q <= 4; ++seqlen_q) {
          for (int heads = 1; heads <= 48; ++heads) {
            most = std::max(most, kernels->schedule(call_of(batch, seqlen_q, heads)).workspace_bytes);
          }
        }
      }
      EXPECT_LE(most, bytes) << target;
      EXPECT_GE(most, bytes / 2) << target;
    }
  }
}

TEST(MlaDecodePlan, PartsOfTheWorkspaceDoNotOverlap) {
  const auto kernels = choose_mla_decode(decode_config(), features_of("sm_90a"));
  const MlaDecodeCall call = call_of(7, 1, 40);
  const auto launched = launches(*kernels, call);
  const auto& p = launched.at(0).args;
  const auto at = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
  const std::uintptr_t rows = 132 * 2 * 64;
  EXPECT_EQ(at(p.partial_out), attnjit::test_support::kWorkspaceAddress);
  EXPECT_EQ(at(p.partial_lse), at(p.partial_out) + rows * 512 * 4);
  EXPECT_EQ(at(p.first_split), at(p.partial_lse) + rows * 4);
  EXPECT_EQ(at(p.last_split), at(p.first_split) + 32);
  EXPECT_EQ(kernels->schedule(call).workspace_bytes, at(p.last_split) + 32 - at(p.partial_out));
}

TEST(MlaDecodePlan, SupportsAnswersWithoutCompiling) {
  EXPECT_TRUE(attnjit::supports(decode_config(), "sm_80"));
  EXPECT_FALSE(attnjit::supports(decode_config(), "sm_75"));
  MlaDecodeConfig config = decode_config();
  config.kv_lora_rank = 384;
  EXPECT_NE(attnjit::why_unsupported(config, "sm_90a").find("(512, 64), (256, 64), (256, 32) and (512, 0)"),
            std::string::npos);
}

}  // namespace
