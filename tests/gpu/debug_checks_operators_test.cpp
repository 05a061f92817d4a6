// Debug mode on a GPU, for the operators with offsets, masks and pages: a valid call passes and is computed; each fault
// is named and nothing is launched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "operators/check_indices.h"
#include "tests/gpu/masked_mha/tested.h"
#include "tests/gpu/mha_varlen/run_case.h"
#include "tests/gpu/mla_decode/run_case.h"
#include "tests/gpu/mla_decode/tested.h"
#include "tests/gpu/suite.h"
#include "verify/masked_mha/cases.h"
#include "verify/mha_varlen/cases.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

Context checked_context() { return suite().fresh_context({.debug_checks = true}); }

template <class Run>
std::string refusal(const Run& run) {
  suite().record(runtime::check_indices_plan());
  try {
    run();
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInvalidArgument);
    return error.what();
  }
}

DeviceBuffer with_entry(const Tensor& t, std::int64_t index, int value) {
  std::vector<int> entries(static_cast<std::size_t>(t.elements()));
  Cuda::check(
      Cuda::get().copy_to_host(entries.data(), reinterpret_cast<CUdeviceptr>(t.data), entries.size() * sizeof(int)),
      "cuMemcpyDtoH");
  entries[static_cast<std::size_t>(index)] = value;
  return DeviceBuffer::of(entries);
}

// ---- mla_decode ----------------------------------------------------------------------------------------------------

DecodeCase decode_case(PageForm pages, bool packed) {
  DecodeCase c;
  c.name = "debug_checks";
  c.config = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true);
  c.seq_lens = {2000, 3000, 0, 77};
  c.seqlen_q = 2;
  c.heads = 16;
  c.pages = pages;
  if (packed) c.packed_q = {2, 2, 0, 4};
  c.seed = 3;
  return c;
}

struct SpoiledDecode {
  const char* name;
  PageForm pages;
  bool packed;
  Tensor MlaDecodeParams::*tensor;
  std::int64_t index;
  int value;
  std::string words;
};
void PrintTo(const SpoiledDecode& row, std::ostream* stream) { *stream << row.name; }

// Sequence 0 has 32 pages, sequence 1 has 47, sequence 3 has 2; rows of the table have 47 entries.
const SpoiledDecode kSpoiledDecode[] = {
    {"length_negative", PageForm::kTable, false, &MlaDecodeParams::seq_lens, 2, -1, "sequence 2: seq_lens[2] is -1;"},
    {"length_beyond_table", PageForm::kTable, false, &MlaDecodeParams::seq_lens, 3, 3009,
     "sequence 3: seq_lens[3] is 3009; at most 3008 is allowed"},
    {"page_negative", PageForm::kTable, false, &MlaDecodeParams::block_table, 0, -1,
     "sequence 0: block_table[0, 0] is -1; the cache has pages 0 to"},
    {"page_beyond_cache", PageForm::kTable, false, &MlaDecodeParams::block_table, 3 * 47 + 1, 1 << 20,
     "sequence 3: block_table[3, 1] is 1048576; the cache has pages 0 to"},
    {"packed_decreasing", PageForm::kTable, true, &MlaDecodeParams::cu_seqlens_q, 3, 1,
     "sequence 2: cu_seqlens_q[2] is 4 and cu_seqlens_q[3] is 1; entries must not decrease"},
    {"packed_too_long", PageForm::kTable, true, &MlaDecodeParams::cu_seqlens_q, 2, 7,
     "sequence 1: cu_seqlens_q[1] is 2 and cu_seqlens_q[2] is 7, which are 5 tokens; at most max_seqlen_q = 4"},
    {"indptr_decreasing", PageForm::kIndices, false, &MlaDecodeParams::kv_indptr, 1, 1000,
     "sequence 0: kv_indptr[0] is 0 and kv_indptr[1] is 1000; entries are at most"},
    {"length_beyond_its_pages", PageForm::kIndices, false, &MlaDecodeParams::seq_lens, 1, 3009,
     "sequence 1: seq_lens[1] is 3009; at most 3008 is allowed"},
    {"index_beyond_cache", PageForm::kIndices, false, &MlaDecodeParams::kv_indices, 32 + 46, 1 << 30,
     "sequence 1: kv_indices[78], its page 46, is 1073741824; the cache has pages 0 to"},
};

class DebugChecksOfDecode : public testing::TestWithParam<SpoiledDecode> {};

TEST_P(DebugChecksOfDecode, NameTheFaultAndPassTheNextCall) {
  const SpoiledDecode& row = GetParam();
  const DecodeCase c = decode_case(row.pages, row.packed);
  const DecodeTensors tensors(c, suite().plain());
  const TestedMlaDecode op(checked_context(), c);
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaStream stream;
  MlaDecodeParams params = tensors.params();
  const DeviceBuffer spoiled = with_entry(params.*row.tensor, row.index, row.value);
  (params.*row.tensor).data = spoiled.data();
  EXPECT_THAT(refusal([&] { op.run(params, workspace, stream.get()); }), testing::HasSubstr(row.words));
  // 8 tokens of 16 heads: every row is missing.
  EXPECT_THAT(tensors.take_output().wrong_place,
              testing::StartsWith("65536 of 65536 elements of out were not written; 128 of 128"));

  EXPECT_EQ(refusal([&] { op.run(tensors.params(), workspace, stream.get()); }), "");
  judge(c, tensors.expected(), tensors.take_output());
}

INSTANTIATE_TEST_SUITE_P(Launch, DebugChecksOfDecode, testing::ValuesIn(kSpoiledDecode),
                         [](const auto& row) { return std::string(row.param.name); });
INSTANTIATE_TEST_SUITE_P(Small, DebugChecksOfDecode, testing::Values(kSpoiledDecode[3]),
                         [](const auto& row) { return std::string(row.param.name); });

// ---- masked_mha ----------------------------------------------------------------------------------------------------

MaskedCase masked_case(MaskForm form) {
  MaskedCase c;
  c.attention.name = "debug_checks";
  c.attention.config = suite_config(192, 128, 64, DType::kBFloat16, true);
  c.attention.len_q = {60, 0, 40};
  c.attention.len_k = {50, 0, 70};
  c.attention.heads = c.attention.kv_heads = 2;
  c.key_offset = {10, 0, 37};
  c.form = form;
  return c;
}

struct SpoiledMasked {
  const char* name;
  MaskForm form;
  std::function<Tensor&(MaskedMhaParams&)> tensor;
  std::int64_t index;
  int value;
  std::string words;
};
void PrintTo(const SpoiledMasked& row, std::ostream* stream) { *stream << row.name; }

Tensor& offsets(MaskedMhaParams& params) { return params.key_offset; }
Tensor& queries(MaskedMhaParams& params) { return params.attention.cu_seqlens_q; }

const SpoiledMasked kSpoiledMasked[] = {
    {"offset_negative", MaskForm::kMask, offsets, 2, -37,
     "masked_mha: sequence 2: key_offset[2] is -37; entries are 0"},
    {"offset_beyond_positions", MaskForm::kIndices, offsets, 0, 1 << 30,
     "masked_mha: sequence 0: key_offset[0] is 1073741824; at most"},
    {"queries_decrease", MaskForm::kIndices, queries, 2, 59,
     "masked_mha: sequence 1: cu_seqlens_q[1] is 60 and cu_seqlens_q[2] is 59; entries must not decrease"},
};

class DebugChecksOfMasked : public testing::TestWithParam<SpoiledMasked> {};

TEST_P(DebugChecksOfMasked, NameTheFaultAndPassTheNextCall) {
  const SpoiledMasked& row = GetParam();
  const MaskedCase c = masked_case(row.form);
  const MaskedTensors tensors(c, suite().plain());
  const Context context = checked_context();
  const CudaStream stream;
  const MaskedMha op(context, {c.attention.config});
  MaskedMhaParams params = tensors.params();
  const DeviceBuffer spoiled = with_entry(row.tensor(params), row.index, row.value);
  row.tensor(params).data = spoiled.data();
  EXPECT_THAT(refusal([&] { op.run(params, stream.get()); }), testing::HasSubstr(row.words));
  EXPECT_THAT(tensors.take_output().wrong_place,
              testing::StartsWith("25600 of 25600 elements of out were not written; 200 of 200"));

  // The next call, with both mask_from_topk and masked_mha checked.
  const TestedMaskedMha valid(context, {c.attention.config, Variant::kOwn}, Tiles::kAsPlanned);
  EXPECT_EQ(refusal([&] { valid.run(tensors, stream.get()); }), "");
  judge(c.attention, tensors.expected(), tensors.take_output());
}

INSTANTIATE_TEST_SUITE_P(Launch, DebugChecksOfMasked, testing::ValuesIn(kSpoiledMasked),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Launch, DebugChecksOfMaskFromTopkNameTheFault) {
  const MaskedCase c = masked_case(MaskForm::kMask);
  const MaskedTensors tensors(c, suite().plain());
  const CudaStream stream;
  const MaskFromTopk op(checked_context());
  MaskFromTopkParams params = tensors.build_params();
  const DeviceBuffer spoiled = with_entry(params.seq_lens, 1, -9);
  params.seq_lens.data = spoiled.data();
  EXPECT_THAT(refusal([&] { op.run(params, stream.get()); }),
              testing::HasSubstr("mask_from_topk: sequence 1: seq_lens[1] is -9; entries are 0 or more"));
}

}  // namespace
}  // namespace attnjit::gpu_tests
