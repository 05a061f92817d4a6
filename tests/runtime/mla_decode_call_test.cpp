// What the kernels get from a valid mla_decode call; for invalid calls see tests/bad_input.
#include "operators/mla_decode/call.h"

#include <gtest/gtest.h>

#include "attnjit/error.hpp"
#include "tests/runtime/mla_decode_case.h"

namespace {

using attnjit::CacheFormat;
using attnjit::DType;
using attnjit::Tensor;
using attnjit::runtime::check_mla_decode;
using attnjit::test::address;
using attnjit::test::decode_config;
using attnjit::test::decode_params;
using attnjit::test::packed_decode_params;

TEST(MlaDecodeCall, JointTensorsAreTwoViews) {
  const auto p = check_mla_decode(decode_config(), decode_params()).params;
  EXPECT_EQ(p.q_nope.data, address(0x100000));
  EXPECT_EQ(p.q_pe.data, address(0x100000 + 512 * 2));
  EXPECT_EQ(p.q_pe.batch_stride, 2 * 16 * 576);
  EXPECT_EQ(p.q_pe.query_stride, 16 * 576);
  EXPECT_EQ(p.q_pe.head_stride, 576);
  EXPECT_EQ(p.latent.data, address(0x200000));
  EXPECT_EQ(p.rope.data, address(0x200000 + 512 * 2));
  EXPECT_EQ(p.rope.page_stride, 64 * 576);
  EXPECT_EQ(p.rope.token_stride, 576);
  EXPECT_EQ(p.page_list_stride, 10);
  EXPECT_EQ(p.page_begin, nullptr);
  EXPECT_EQ(p.batch, 3);
  EXPECT_EQ(p.num_heads, 16);
  EXPECT_EQ(p.max_seqlen_q, 2);
  EXPECT_EQ(p.lse.batch_stride, 32);
  EXPECT_EQ(p.lse.query_stride, 1);
  EXPECT_EQ(p.lse.head_stride, 2);
  EXPECT_EQ(p.cp_world, 1);
  EXPECT_FLOAT_EQ(p.softmax_scale_log2, 0.0722f * 1.44269504f);
}

TEST(MlaDecodeCall, TensorsApartKeepTheirStrides) {
  auto given = decode_params();
  given.q = {};
  given.q_nope = Tensor::strided(address(0x110000), DType::kBFloat16, {3, 2, 16, 512}, {1024, 512, 3072, 1});
  given.q_pe = Tensor::contiguous(address(0x120000), DType::kBFloat16, {3, 2, 16, 64});
  given.cache = {};
  given.latent = Tensor::contiguous(address(0x210000), DType::kBFloat16, {40, 64, 512});
  given.rope = Tensor::contiguous(address(0x220000), DType::kBFloat16, {40, 64, 64});
  const auto p = check_mla_decode(decode_config(), given).params;
  EXPECT_EQ(p.q_nope.head_stride, 3072);
  EXPECT_EQ(p.q_pe.data, address(0x120000));
  EXPECT_EQ(p.q_pe.head_stride, 64);
  EXPECT_EQ(p.latent.token_stride, 512);
  EXPECT_EQ(p.rope.data, address(0x220000));
  EXPECT_EQ(p.rope.token_stride, 64);
}

TEST(MlaDecodeCall, PackedTokensHaveNoBatchStride) {
  const auto p = check_mla_decode(decode_config(), packed_decode_params()).params;
  EXPECT_EQ(p.q_nope.batch_stride, 0);
  EXPECT_EQ(p.q_nope.query_stride, 16 * 576);
  EXPECT_EQ(p.out.head_stride, 512);
  EXPECT_EQ(p.lse.query_stride, 1);
  EXPECT_EQ(p.lse.head_stride, 6);
  EXPECT_EQ(p.cu_seqlens_q, address(0x320000));
  EXPECT_EQ(p.max_seqlen_q, 3);
}

TEST(MlaDecodeCall, UpperBoundsBeyondTheTensorCostNothing) {
  auto given = packed_decode_params();
  given.max_seqlen_q = 1 << 30;
  EXPECT_EQ(check_mla_decode(decode_config(), given).params.max_seqlen_q, 6);
}

TEST(MlaDecodeCall, IndicesInPlaceOfATable) {
  auto given = decode_params();
  given.block_table = {};
  given.kv_indptr = Tensor::contiguous(address(0x330000), DType::kInt32, {4});
  given.kv_indices = Tensor::contiguous(address(0x340000), DType::kInt32, {17});
  const auto p = check_mla_decode(decode_config(), given).params;
  EXPECT_EQ(p.page_list, address(0x340000));
  EXPECT_EQ(p.page_begin, address(0x330000));
}

TEST(MlaDecodeCall, TheTablesRowsMayLieAnyhow) {
  auto given = decode_params();
  given.block_table.strides = {0, 1};  // all sequences share their pages
  EXPECT_EQ(check_mla_decode(decode_config(), given).params.page_list_stride, 0);
  given.block_table.strides = {4096, 1};
  EXPECT_EQ(check_mla_decode(decode_config(), given).params.page_list_stride, 4096);
}

TEST(MlaDecodeCall, RowsOf656BytesAreOneView) {
  auto config = decode_config();
  config.cache_format = CacheFormat::kE4M3Rows;
  auto given = decode_params();
  given.cache = Tensor::contiguous(address(0x200000), DType::kFloat8E4M3, {40, 64, 656});
  const auto p = check_mla_decode(config, given).params;
  EXPECT_EQ(p.latent.token_stride, 656);
  EXPECT_EQ(p.latent.page_stride, 64 * 656);
  EXPECT_EQ(p.rope.data, nullptr);
}

TEST(MlaDecodeCall, ACacheOfE4M3CountsInBytes) {
  auto config = decode_config();
  config.cache_format = CacheFormat::kE4M3;
  auto given = decode_params();
  given.cache = Tensor::contiguous(address(0x200000), DType::kFloat8E4M3, {40, 64, 576});
  EXPECT_EQ(check_mla_decode(config, given).params.cache_scale, nullptr);
  given.cache_scale = Tensor::contiguous(address(0x350000), DType::kFloat32, {1});
  const auto p = check_mla_decode(config, given).params;
  EXPECT_EQ(p.cache_scale, address(0x350000));
  EXPECT_EQ(p.rope.data, address(0x200000 + 512));
}

TEST(MlaDecodeCall, ShardsAreHandedOn) {
  auto given = decode_params();
  given.total_seq_lens = Tensor::contiguous(address(0x360000), DType::kInt32, {3});
  given.cp_rank = 2;
  given.cp_world = 3;
  const auto p = check_mla_decode(decode_config(), given).params;
  EXPECT_EQ(p.total_seq_lens, address(0x360000));
  EXPECT_EQ(p.cp_rank, 2);
  EXPECT_EQ(p.cp_world, 3);
}

TEST(MlaDecodeCall, EmptyTensorsMayBeNull) {
  auto given = decode_params();
  given.q = Tensor::contiguous(nullptr, DType::kBFloat16, {0, 1, 16, 576});
  given.out = Tensor::contiguous(nullptr, DType::kBFloat16, {0, 1, 16, 512});
  given.lse = Tensor::contiguous(nullptr, DType::kFloat32, {0, 1, 16});
  given.seq_lens = Tensor::contiguous(nullptr, DType::kInt32, {0});
  given.block_table = Tensor::contiguous(nullptr, DType::kInt32, {0, 0});
  given.cache = Tensor::contiguous(nullptr, DType::kBFloat16, {0, 64, 576});
  EXPECT_EQ(check_mla_decode(decode_config(), given).params.batch, 0);
}

}  // namespace
