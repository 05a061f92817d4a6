// Compiles the kernels of every pair of head dims of mha_varlen and masked_mha, and of every pair of dims, cache format
// and page size of mla_decode, varying the other fields along the way. Requires what every kernel promises: no spills,
// no stack, shared memory within the SM's limit. Takes minutes per target; run it with `ctest -L long`.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "attnjit/error.hpp"
#include "jit/compiler.h"
#include "operators/operator_config.h"

namespace {

using attnjit::CacheFormat;
using attnjit::DType;
using attnjit::MaskedMhaConfig;
using attnjit::MhaVarlenConfig;
using attnjit::MlaDecodeConfig;
using attnjit::runtime::OperatorConfig;

/// Every pair of dims once. The other fields change with the pair, so that each value is combined with many dims.
std::vector<OperatorConfig> every_dim() {
  std::vector<OperatorConfig> configs;
  for (int qk = 16; qk <= 256; qk += 16) {
    for (int v = 16; v <= 256; v += 16) {
      const int i = qk / 16 + v / 16;
      const int rope = i % 3 * 32;
      configs.push_back(
          MhaVarlenConfig{.head_dim_qk = qk,
                          .head_dim_v = v,
                          .rope_dim = rope < qk ? rope : 0,
                          .dtype = i % 2 == 0 ? DType::kBFloat16 : DType::kFloat16,
                          .causal = i % 4 < 2,
                          .out_dtype = qk / 16 % 3 == 0 ? std::optional(DType::kFloat8E4M3) : std::nullopt});
    }
  }
  return configs;
}

std::vector<OperatorConfig> every_masked_dim() {
  std::vector<OperatorConfig> configs;
  for (const OperatorConfig& config : every_dim())
    configs.push_back(MaskedMhaConfig{std::get<MhaVarlenConfig>(config)});
  return configs;
}

/// Every combination of dims, format and page size once, with alternating 16-bit and e4m3 output; the type changes from
/// one to the next.
std::vector<OperatorConfig> every_cache() {
  std::vector<OperatorConfig> configs;
  const std::pair<int, int> dims[] = {{512, 64}, {256, 64}, {256, 32}, {512, 0}};
  for (const auto& [r, p] : dims) {
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
      if (format == CacheFormat::kE4M3Rows && (r != 512 || p != 64)) continue;
      for (const int page_size : {1, 16, 32, 64, 128}) {
        const std::size_t i = configs.size();
        configs.push_back(MlaDecodeConfig{.kv_lora_rank = r,
                                          .rope_dim = p,
                                          .dtype = i % 4 < 3 ? DType::kBFloat16 : DType::kFloat16,
                                          .cache_format = format,
                                          .page_size = page_size,
                                          .causal = i % 3 != 0,
                                          .out_dtype = i % 2 != 0 ? std::optional(DType::kFloat8E4M3) : std::nullopt});
      }
    }
  }
  return configs;
}

class EveryDim : public testing::TestWithParam<const char*> {};

/// `features` may be those of an older SM, whose variants also run on `target`.
void expect_no_spills(const std::vector<OperatorConfig>& configs, const attnjit::jit::Target& target,
                      const attnjit::runtime::SmFeatures& features) {
  const auto nvrtc = attnjit::jit::Nvrtc::open({});
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::atomic<int> compiled = 0;
  std::vector<std::string> broken;
  const auto report = [&](const std::string& line) {
    const std::lock_guard lock(mutex);
    broken.push_back(line);
  };
  const auto compile = [&](const attnjit::runtime::KernelPlan& plan) {
    const auto cubin =
        attnjit::jit::compile(*nvrtc, attnjit::jit::Templates::embedded(),
                              {.source = attnjit::jit::generate(plan.spec), .target = target, .seed = "every dim"});
    const auto& resources = cubin.resources;
    if (resources.stack_bytes != 0 || resources.spill_store_bytes != 0 || resources.spill_load_bytes != 0) {
      report(fmt::format("{}: {} bytes of spill stores, {} of stack", plan.spec.config_json(),
                         resources.spill_store_bytes, resources.stack_bytes));
    }
    if (plan.smem_bytes + resources.static_shared_bytes > features.smem_per_cta) {
      report(plan.spec.config_json() + ": more shared memory than a CTA may have");
    }
  };
  const auto work = [&] {
    for (std::size_t i; (i = next++) < configs.size();) {
      for (const auto& plan : attnjit::runtime::plans(configs[i], features)) {
        if (plan.spec.family == "mask_from_topk" && i > 0) continue;  // the same for all configs
        ++compiled;
        try {
          compile(plan);
        } catch (const attnjit::Error& error) {
          report(plan.spec.config_json() + ": " + error.what());
        }
      }
    }
  };
  std::thread beside(work);
  work();
  beside.join();
  EXPECT_GE(compiled, static_cast<int>(configs.size()));
  EXPECT_EQ(broken.size(), 0u) << "of " << compiled.load() << " kernels";
  for (const std::string& line : broken) ADD_FAILURE() << line;
}

TEST_P(EveryDim, CompilesWithoutSpills) {
  const auto target = attnjit::jit::Target::parse(GetParam());
  expect_no_spills(every_dim(), target, attnjit::runtime::sm_features(target));
}

TEST_P(EveryDim, MaskedCompilesWithoutSpills) {
  const auto target = attnjit::jit::Target::parse(GetParam());
  expect_no_spills(every_masked_dim(), target, attnjit::runtime::sm_features(target));
}

TEST_P(EveryDim, DecodeCompilesWithoutSpills) {
  const auto target = attnjit::jit::Target::parse(GetParam());
  expect_no_spills(every_cache(), target, attnjit::runtime::sm_features(target));
}

TEST(EveryVariant, DecodeOfOlderSmsCompileWithoutSpillsForThisOne) {
  for (const char* older : {"sm_80", "sm_89"}) {
    SCOPED_TRACE(older);
    expect_no_spills(every_cache(), attnjit::jit::Target::parse("sm_90a"),
                     attnjit::runtime::sm_features(attnjit::jit::Target::parse(older)));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, EveryDim, testing::Values("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
