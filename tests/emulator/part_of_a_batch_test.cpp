// Offsets that start above 0 or end before the tensors' last row: a call over some sequences of a larger batch, given
// by a slice of its cu_seqlens. Rows outside the slice belong to no sequence. What the call writes matches the whole
// batch bit for bit, and it touches nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "emulator/emulated_operator.h"
#include "tests/emulator/run_here.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/mla_decode/tensors.h"
#include "verify/poison.h"
#include "verify/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

using gpu_tests::Output;

/// Entries `first` to `first + count` of an int32 vector.
Tensor slice(const Tensor& vector, std::int64_t first, std::int64_t count) {
  return Tensor::contiguous(static_cast<int*>(vector.data) + first, DType::kInt32, {count});
}

/// `part` has the rows [begin, end) of `whole`, and poison elsewhere.
void expect_rows(const Output& part, const Output& whole, int begin, int end, std::int64_t row_elements) {
  ASSERT_EQ(part.out_16bit.size(), whole.out_16bit.size());
  for (std::size_t i = 0; i < part.out_16bit.size(); ++i) {
    const auto row = static_cast<int>(static_cast<std::int64_t>(i) / row_elements);
    const bool own = row >= begin && row < end;
    ASSERT_EQ(part.out_16bit[i], own ? whole.out_16bit[i] : gpu_tests::kPoison16) << "row " << row;
  }
}

class PartOfABatch : public testing::TestWithParam<gpu_tests::Variant> {};

TEST_P(PartOfABatch, OfPrefillIsServedByASliceOfItsOffsets) {
  gpu_tests::Case c;
  c.config = {
      .head_dim_qk = 64, .head_dim_v = 64, .rope_dim = 0, .dtype = DType::kBFloat16, .causal = true, .out_dtype = {}};
  c.len_q = {5, 70, 3, 9};
  c.len_k = {9, 80, 3, 40};
  c.lse = gpu_tests::LseStorage::kNone;
  c.variant = GetParam();
  const reference::CpuKernels plain;
  const gpu_tests::CaseTensors tensors(c, plain);
  const emulator::EmulatedMhaVarlen op(objects_here(), c.config,
                                       features_of(c.variant, gpu_tests::Tiles::kAsPlanned, features_here()));
  op.run(tensors.params(), {.seed = 1});
  const Output whole = tensors.take_output();
  EXPECT_EQ(whole.wrong_place, "");

  MhaVarlenParams params = tensors.params();
  params.cu_seqlens_q = slice(params.cu_seqlens_q, 1, 3);
  params.cu_seqlens_k = slice(params.cu_seqlens_k, 1, 3);
  op.run(params, {.seed = 2});
  expect_rows(tensors.take_output(), whole, 5, 78, std::int64_t{c.heads} * 64);
}

INSTANTIATE_TEST_SUITE_P(Kernels, PartOfABatch, testing::Values(gpu_tests::Variant::kOwn, gpu_tests::Variant::kSm80),
                         [](const auto& test) { return gpu_tests::to_string(test.param); });

TEST(PartOfABatchOfDecode, IsServedByASliceOfItsOffsets) {
  gpu_tests::DecodeCase c;
  c.config = {.kv_lora_rank = 256,
              .rope_dim = 32,
              .dtype = DType::kBFloat16,
              .cache_format = CacheFormat::kSame,
              .page_size = 16,
              .causal = true,
              .out_dtype = {}};
  c.seq_lens = {20, 33, 7, 50};
  c.packed_q = {2, 1, 3, 2};
  c.heads = 2;
  c.lse = gpu_tests::DecodeLse::kNone;
  const reference::CpuKernels plain;
  const gpu_tests::DecodeTensors tensors(c, plain);
  const emulator::EmulatedMlaDecode op(objects_here(), c.config, features_of(c, features_here()));
  op.run(tensors.params(), {.seed = 1});
  const Output whole = tensors.take_output();
  EXPECT_EQ(whole.wrong_place, "");

  MlaDecodeParams params = tensors.params();
  params.cu_seqlens_q = slice(params.cu_seqlens_q, 1, 3);
  params.seq_lens = slice(params.seq_lens, 1, 2);
  Tensor& table = params.block_table;
  table = Tensor::strided(static_cast<int*>(table.data) + table.strides[0], DType::kInt32, {2, table.shape[1]},
                          {table.strides[0], table.strides[1]});
  op.run(params, {.seed = 2});
  expect_rows(tensors.take_output(), whole, 2, 6, std::int64_t{c.heads} * 256);
}

}  // namespace
}  // namespace attnjit::emulator_tests
