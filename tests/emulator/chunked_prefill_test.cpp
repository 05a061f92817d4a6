// Chunked prefill by the kernels' own text: parts and merges are one call over all keys.
#include <gtest/gtest.h>

#include "emulator/merge_states.h"
#include "emulator/mha_varlen.h"
#include "tests/emulator/run_here.h"
#include "tests/gpu/chunked_prefill.h"
#include "tests/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

class EmulatorRunner final : public gpu_tests::ChunkRunner {
 public:
  void attend(const MhaVarlenConfig& config, const MhaVarlenParams& params) const override {
    emulator::EmulatedMhaVarlen(objects_here(), config, features_here()).run(params, {.seed = 11});
  }
  void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const override {
    emulator::EmulatedMergeStates(objects_here(), config, features_here()).run(params, {.seed = 12});
  }
};

class EmulatedChunkedPrefill : public testing::TestWithParam<bool> {};

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
  c.e4m3_output = GetParam();
  c.seed = 77;
  const reference::CpuKernels plain;
  EXPECT_EQ(run_chunked_prefill(c, EmulatorRunner(), plain).trouble(), "");
}

INSTANTIATE_TEST_SUITE_P(Identity, EmulatedChunkedPrefill, testing::Bool(),
                         [](const auto& test) { return test.param ? "e4m3" : "bf16"; });

}  // namespace
}  // namespace attnjit::emulator_tests
