// New tokens + context chunks, some of them empty, + merges = one call over all keys.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "operators/mask_from_topk/kernels.h"
#include "tests/gpu/masked_mha/tested.h"
#include "tests/gpu/merge_states/tested.h"
#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/suite.h"
#include "verify/merge_states/chunked_cases.h"

namespace attnjit::gpu_tests {
namespace {

class GpuRunner final : public ChunkRunner {
 public:
  void attend(const MhaVarlenConfig& config, const MhaVarlenParams& params) const override {
    tested_mha_varlen(config).run(params, nullptr);
  }
  void attend(const MaskedMhaConfig& config, const MaskedMhaParams& params) const override {
    tested_masked_mha(config).run(params, nullptr);
  }
  void build(const MaskFromTopkParams& params) const override {
    MaskFromTopk(suite().context()).run(params);
    suite().record(runtime::mask_from_topk_plan());
  }
  void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const override {
    tested_merge_states(config).run(params, nullptr);
  }
};

class ChunkedPrefill : public testing::TestWithParam<ChunkedCase> {};

TEST_P(ChunkedPrefill, IsOneCallOverAllKeys) {
  SCOPED_TRACE(testing::PrintToString(GetParam()));
  const ChunkedResult result = run_chunked_prefill(GetParam(), GpuRunner(), suite().plain());
  EXPECT_EQ(result.trouble(), "");
  RecordProperty("error", fmt::format("{:.4g}", result.chunked_out.error));
  RecordProperty("allowed", fmt::format("{:.4g}", result.chunked_out.allowed));
  RecordProperty("yardstick_error", fmt::format("{:.4g}", result.chunked_out.yardstick_error));
  RecordProperty("unchunked_error", fmt::format("{:.4g}", result.unchunked_out.error));
  RecordProperty("lse_error_of_allowed", fmt::format("{:.4g}", result.chunked_lse.error));
}

INSTANTIATE_TEST_SUITE_P(Identity, ChunkedPrefill, testing::ValuesIn(chunked_cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace attnjit::gpu_tests
