// Chunked prefill with the kernels' own source: attention over the chunks, then merging, equals one call over all keys.
#include <gtest/gtest.h>

#include <string>

#include "emulator/emulated_operator.h"
#include "tests/emulator/run_here.h"
#include "verify/merge_states/chunked_prefill.h"
#include "verify/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

class EmulatorRunner final : public gpu_tests::ChunkRunner {
 public:
  void attend(const MhaVarlenConfig& config, const MhaVarlenParams& params) const override {
    emulator::EmulatedMhaVarlen(objects_here(), config, features_here()).run(params, {.seed = 11});
  }
  void attend(const MaskedMhaConfig& config, const MaskedMhaParams& params) const override {
    emulator::EmulatedMaskedMha(objects_here(), config, features_here()).run(params, {.seed = 13});
  }
  void build(const MaskFromTopkParams& params) const override {
    emulator::EmulatedMaskFromTopk(objects_here(), {}, features_here()).run(params, {.seed = 14});
  }
  void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const override {
    emulator::EmulatedMergeStates(objects_here(), config, features_here()).run(params, {.seed = 12});
  }
};

struct Way {
  bool e4m3_output;
  int topk;
};
class EmulatedChunkedPrefill : public testing::TestWithParam<Way> {};

TEST_P(EmulatedChunkedPrefill, IsOneCallOverAllKeys) {
  gpu_tests::ChunkedCase c;
  c.name = "small";
  c.len_new = {20, 0, 9, 7};
  c.len_context = {70, 10, 0, 33};
  c.chunk = 32;
  c.empty_chunks = 1;
  c.nope_dim = 32;
  c.rope_dim = 16;
  c.head_dim_v = 32;
  c.e4m3_output = GetParam().e4m3_output;
  c.topk = GetParam().topk;
  c.seed = 77;
  const reference::CpuKernels plain;
  EXPECT_EQ(run_chunked_prefill(c, EmulatorRunner(), plain).trouble(), "");
}

INSTANTIATE_TEST_SUITE_P(Identity, EmulatedChunkedPrefill,
                         testing::Values(Way{false, 0}, Way{true, 0}, Way{false, 12}, Way{true, 12}, Way{false, 2}),
                         [](const auto& test) {
                           return std::string(test.param.e4m3_output ? "e4m3" : "bf16") +
                                  (test.param.topk > 0 ? "_top" + std::to_string(test.param.topk) : "");
                         });

}  // namespace
}  // namespace attnjit::emulator_tests
