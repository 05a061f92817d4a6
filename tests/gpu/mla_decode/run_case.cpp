#include "tests/gpu/mla_decode/run_case.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/gpu/mla_decode/tested.h"
#include "tests/gpu/suite.h"

namespace attnjit::gpu_tests {

void judge(const DecodeCase& c, const reference::Expected& expected, const Output& output) {
  EXPECT_EQ(output.wrong_place, "");
  const reference::Verdict out =
      c.e4m3_output() ? judge_e4m3(expected, output.out_e4m3, c.out_scale) : judge_16bit(expected, output.out_16bit);
  EXPECT_TRUE(out.ok()) << out.message();
  testing::Test::RecordProperty("error", fmt::format("{:.4g}", out.error));
  testing::Test::RecordProperty("allowed", fmt::format("{:.4g}", out.allowed));
  testing::Test::RecordProperty("yardstick_error", fmt::format("{:.4g}", out.yardstick_error));
  if (output.lse.empty()) return;
  const reference::Verdict lse = judge_lse(expected, output.lse);
  EXPECT_TRUE(lse.ok()) << lse.message();
  testing::Test::RecordProperty("lse_error_of_allowed", fmt::format("{:.4g}", lse.error));
}

void run_and_judge(const DecodeCase& c) {
  SCOPED_TRACE(testing::PrintToString(c));
  const TestedMlaDecode& op = tested_mla_decode(c);
  const DecodeTensors tensors(c, suite().plain());
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaStream stream;
  op.run(tensors.params(), workspace, stream.get());
  const Output output = tensors.take_output();
  judge(c, tensors.expected(), output);

  // What the first run left in the workspace must not affect the second one.
  op.run(tensors.params(), workspace, stream.get());
  EXPECT_TRUE(tensors.take_output() == output) << "a second run of the same call gave other bits";
}

}  // namespace attnjit::gpu_tests
