// attnjit_mha_varlen_run: what it refuses, in the caller's terms. The operator has no device, so a valid call ends in
// "made by a Context without a device", which shows that every check before it passed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

#include "attnjit/attnjit.h"
#include "c_api_handles.h"

namespace attnjit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr DLDataType kBFloat16{kDLBfloat, 16, 1};
constexpr DLDataType kFloat32{kDLFloat, 32, 1};
constexpr DLDataType kInt32{kDLInt, 32, 1};

/// A DLTensor with its own shape; its address is never dereferenced.
struct Dl {
  std::array<std::int64_t, 3> shape;
  DLTensor tensor{};

  Dl(DLDataType dtype, std::initializer_list<std::int64_t> dims) {
    std::copy(dims.begin(), dims.end(), shape.begin());
    tensor.data = reinterpret_cast<void*>(std::uintptr_t{0x10000});
    tensor.device = {kDLCUDA, 0};
    tensor.ndim = static_cast<int>(dims.size());
    tensor.dtype = dtype;
    tensor.shape = shape.data();
  }
  Dl(const Dl&) = delete;
  Dl& operator=(const Dl&) = delete;
};

/// Two query heads and one key/value head, 5 and 9 tokens, 2 sequences.
class CApiRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const ContextHandle context = compile_only_context();
    const attnjit_mha_varlen_config config = small_config();
    op_ = new OpHandle;
    ASSERT_EQ(attnjit_mha_varlen_create(context.get(), &config, op_->out()), ATTNJIT_OK) << attnjit_last_error();
  }
  static void TearDownTestSuite() { delete op_; }

  void SetUp() override {
    params.q = &q.tensor;
    params.k = &k.tensor;
    params.v = &v.tensor;
    params.out = &out.tensor;
    params.lse = &lse.tensor;
    params.cu_seqlens_q = &cu_seqlens_q.tensor;
    params.cu_seqlens_k = &cu_seqlens_k.tensor;
    params.max_seqlen_q = 5;
    params.max_seqlen_k = 9;
    params.softmax_scale = 0.125f;
  }

  /// Runs and returns the error text.
  std::string refusal(attnjit_status status = ATTNJIT_INVALID_ARGUMENT) {
    EXPECT_EQ(attnjit_mha_varlen_run(op_->get(), &params, nullptr), status);
    return attnjit_last_error();
  }
  static constexpr const char* kPassedEveryCheck = "without a device";

  static inline OpHandle* op_ = nullptr;
  Dl q{kBFloat16, {5, 2, 32}};
  Dl k{kBFloat16, {9, 1, 32}};
  Dl v{kBFloat16, {9, 1, 16}};
  Dl out{kBFloat16, {5, 2, 16}};
  Dl lse{kFloat32, {5, 2}};
  Dl cu_seqlens_q{kInt32, {3}};
  Dl cu_seqlens_k{kInt32, {3}};
  attnjit_mha_varlen_params params = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
};

TEST_F(CApiRun, GoodArgumentsPassEveryCheck) {
  EXPECT_THAT(refusal(), HasSubstr(kPassedEveryCheck));
  params.lse = nullptr;
  EXPECT_THAT(refusal(), HasSubstr(kPassedEveryCheck));
}

TEST_F(CApiRun, NullArguments) {
  EXPECT_EQ(attnjit_mha_varlen_run(nullptr, &params, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), StartsWith("op is NULL"));
  EXPECT_EQ(attnjit_mha_varlen_run(op_->get(), nullptr, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), StartsWith("attnjit_mha_varlen_params is NULL"));
}

TEST_F(CApiRun, StructSizes) {
  params.struct_size = 0;
  EXPECT_THAT(refusal(), HasSubstr("ATTNJIT_MHA_VARLEN_PARAMS_INIT"));
  params.struct_size = sizeof params + 8;
  EXPECT_THAT(refusal(), HasSubstr("newer attnjit.h"));
  params.struct_size = sizeof params - 8;  // would leave out softmax_scale, which has no default
  EXPECT_THAT(refusal(), HasSubstr("struct_size is 112"));
}

TEST_F(CApiRun, NamesTheTensorThatDlpackRefuses) {
  k.tensor.device = {kDLCPU, 0};
  EXPECT_THAT(refusal(), AllOf(StartsWith("k: "), HasSubstr("CPU memory")));
  k.tensor.device = {kDLCUDA, 0};
  lse.tensor.dtype = {kDLFloat, 64, 1};
  EXPECT_THAT(refusal(), AllOf(StartsWith("lse: "), HasSubstr("64 bits")));
}

TEST_F(CApiRun, ByteOffsetCountsForAlignment) {
  q.tensor.byte_offset = 16;
  EXPECT_THAT(refusal(), HasSubstr(kPassedEveryCheck));
  q.tensor.byte_offset = 8;
  EXPECT_THAT(refusal(), HasSubstr(": q starts at 0x10008"));
}

}  // namespace
}  // namespace attnjit
