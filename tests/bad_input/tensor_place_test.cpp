// Tensors that are not on the operator's device. Only a DLTensor carries its device, so only the C API can refuse them.
// Tries each tensor of each operator in turn, with the others in the right place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/bad_input/machine.h"
#include "tests/bad_input/masked_mha_operation.h"
#include "tests/bad_input/merge_states_operation.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/mla_decode_operation.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Tensors = std::vector<std::pair<std::string, Tensor>>;

struct OperationAt {
  const char* name;
  Tensors tensors;  // the tensors of the call
  std::function<Outcome(const Place&)> attempt;
};
void PrintTo(const OperationAt& operation, std::ostream* stream) { *stream << operation.name; }

template <class Operation>
OperationAt at(const char* name, const Operation& good, Tensors tensors) {
  return {name, std::move(tensors), [=](const Place& place) {
            Operation operation = good;
            operation.place = place;
            return attempt(Api::kC, fake_device(), &operation);
          }};
}

Tensors tensors_of(const MhaVarlenParams& p) {
  return {{"q", p.q},
          {"k_nope", p.k_nope},
          {"k_pe", p.k_pe},
          {"v", p.v},
          {"out", p.out},
          {"lse", p.lse},
          {"cu_seqlens_q", p.cu_seqlens_q},
          {"cu_seqlens_k", p.cu_seqlens_k}};
}

std::vector<OperationAt> operations() {
  const MhaVarlenOperation mha;
  const MlaDecodeOperation decode;
  const MergeStatesOperation merge;
  MergeStatesOperation merge_five;
  merge_five.params = test::five_states();
  const MaskedMhaOperation masked;
  MaskedMhaOperation by_indices;
  by_indices.params = test::topk_params();
  by_indices.params.key_offset = Tensor::contiguous(test::address(0x92000), DType::kInt32, {2});
  const MaskFromTopkOperation build;
  return {
      at("mha_varlen", mha, tensors_of(mha.params)),
      at("mla_decode", decode,
         {{"q", decode.params.q},
          {"cache", decode.params.cache},
          {"block_table", decode.params.block_table},
          {"seq_lens", decode.params.seq_lens},
          {"out", decode.params.out},
          {"lse", decode.params.lse}}),
      at("merge_states", merge,
         {{"out_a", merge.params.out_a},
          {"lse_a", merge.params.lse_a},
          {"out_b", merge.params.out_b},
          {"lse_b", merge.params.lse_b},
          {"out", merge.params.out},
          {"lse", merge.params.lse}}),
      at("merge_five_states", merge_five, {{"outs", merge_five.params.outs}, {"lses", merge_five.params.lses}}),
      at("attention_of_masked_mha", masked, tensors_of(masked.params.attention)),
      at("masked_mha", masked, {{"mask", masked.params.mask}, {"mask_tiles", masked.params.mask_tiles}}),
      at("masked_mha_by_indices", by_indices,
         {{"topk_indices", by_indices.params.topk_indices}, {"key_offset", by_indices.params.key_offset}}),
      at("mask_from_topk", build,
         {{"topk_indices", build.params.topk_indices},
          {"cu_seqlens_q", build.params.cu_seqlens_q},
          {"seq_lens", build.params.seq_lens},
          {"mask", build.params.mask},
          {"mask_tiles", build.params.mask_tiles}}),
  };
}

class TensorPlace : public testing::TestWithParam<OperationAt> {
 protected:
  TensorPlace() { fake_cuda::reset(); }
  ~TensorPlace() override { fake_cuda::reset(); }

  /// Each tensor is refused when it is at `device`.
  static void expect_refused(DLDevice device, const std::string& start, const std::string& what_to_do) {
    for (const auto& [name, tensor] : GetParam().tensors) {
      const Outcome outcome = GetParam().attempt({.device = device, .only = tensor.data});
      EXPECT_EQ(outcome.status, Status::kInvalidArgument) << name;
      EXPECT_THAT(outcome.message, StartsWith(name + start));
      EXPECT_THAT(outcome.message, HasSubstr(what_to_do));
    }
    EXPECT_TRUE(fake_cuda::state().launches.empty()) << "a refused call was launched";
  }

 private:
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
  ScopedEnvironment templates_{"ATTNJIT_TEMPLATE_DIR", nullptr};
};

TEST_P(TensorPlace, AnotherDevice) {
  expect_refused({kDLCUDA, 1}, ": it is on device 1, but the operator was made for device 0", "copy it there");
}

TEST_P(TensorPlace, MemoryOfTheHost) {
  expect_refused({kDLCPU, 0}, ": a tensor in CPU memory (DLPack device type 1) was given", "copy it to the device");
}

INSTANTIATE_TEST_SUITE_P(OfEach, TensorPlace, testing::ValuesIn(operations()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace attnjit::bad_input
