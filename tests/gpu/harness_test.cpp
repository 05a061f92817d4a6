// Tests the suite's own checks: each kind of fault, planted after a good call, must be seen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/suite.h"
#include "verify/mha_varlen/cases.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/reference/accuracy.h"

namespace attnjit::gpu_tests {
namespace {

using testing::HasSubstr;

class Harness : public testing::Test {
 protected:
  Harness() : case_(make_case()), tensors_(case_, suite().plain()) {
    tested_mha_varlen(case_.config).run(tensors_.params(), nullptr);
    Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  }

  static Case make_case() {
    Case c;
    c.name = "harness";
    c.config = suite_config(192, 128, 64, DType::kBFloat16, true);
    c.len_q = {40, 0, 30};
    c.len_k = {70, 9, 30};
    c.spare_tokens = 2;
    return c;
  }

  /// Writes one 16-bit pattern, `offset` elements from the start of out.
  void plant(std::int64_t offset, std::uint32_t bits) const {
    suite().plain().fill({.data = static_cast<std::uint16_t*>(tensors_.params().out.data) + offset,
                          .tokens = 1,
                          .heads = 1,
                          .columns = 1,
                          .pattern = reference::Pattern::kBits,
                          .bits = bits},
                         nullptr);
  }
  std::int64_t row(int token, int head) const {
    const Tensor& out = tensors_.params().out;
    return token * out.strides[0] + head * out.strides[1];
  }

  const Case case_;
  const CaseTensors tensors_;
};

TEST_F(Harness, AGoodCallPasses) {
  const Output output = tensors_.take_output();
  EXPECT_EQ(output.wrong_place, "");
  EXPECT_TRUE(judge_16bit(tensors_.expected(), output.out_16bit).ok());
  EXPECT_TRUE(judge_lse(tensors_.expected(), output.lse).ok());
}

TEST_F(Harness, AWriteBehindARowIsSeen) {
  plant(row(3, 0) + 128, 0);
  EXPECT_THAT(tensors_.take_output().wrong_place,
              HasSubstr("1 elements of out's buffer were written that belong to no row"));
}

TEST_F(Harness, AWriteBehindTheLastTokenIsSeen) {
  plant(row(70, 1), 0x3f80);
  EXPECT_THAT(tensors_.take_output().wrong_place, HasSubstr("belong to no row"));
}

TEST_F(Harness, AnElementLeftOutIsSeen) {
  plant(row(69, 1) + 127, 0xffa5);
  EXPECT_THAT(tensors_.take_output().wrong_place, HasSubstr("1 of 17920 elements of out were not written"));
}

TEST_F(Harness, AWrongElementIsSeen) {
  plant(row(12, 1) + 5, 0x4200);  // 32: further from any mean of normal values than any accuracy bar allows
  const Output output = tensors_.take_output();
  EXPECT_EQ(output.wrong_place, "");
  EXPECT_THAT(judge_16bit(tensors_.expected(), output.out_16bit).message(),
              HasSubstr("out differs at token 12, head 1, column 5: got 32"));
}

TEST_F(Harness, OtherBitsAreSeen) {
  const Output first = tensors_.take_output();
  tested_mha_varlen(case_.config).run(tensors_.params(), nullptr);
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  plant(row(0, 0), 0x0001);
  EXPECT_FALSE(tensors_.take_output() == first);
}

TEST_F(Harness, NanBehindTheLastTokenIsThere) {
  // The other tests rely on this: a kernel that reads one row too many reads NaN.
  const Tensor& v = tensors_.params().v;
  std::uint16_t behind = 0;
  Cuda::check(Cuda::get().copy_to_host(
                  &behind, reinterpret_cast<CUdeviceptr>(static_cast<std::uint16_t*>(v.data) + 109 * v.strides[0]),
                  sizeof(behind)),
              "cuMemcpyDtoH");
  EXPECT_EQ(behind, 0xffff);
}

}  // namespace
}  // namespace attnjit::gpu_tests
