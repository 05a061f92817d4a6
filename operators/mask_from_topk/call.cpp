#include "operators/mask_from_topk/call.h"

#include <fmt/format.h>

#include <limits>

namespace attnjit::runtime {
namespace {

/// Per row of the mask: kernels count positions in 32 bits.
constexpr std::int64_t kMostWords = std::int64_t{1} << 26;

/// Row stride of a tensor of two dims. A single row may have any stride: the kernel only multiplies it by 0.
std::int64_t row_stride(const Tensor& t) { return t.elements() == 0 ? 0 : t.strides[0]; }

}  // namespace

MaskFromTopkCall check_topk_indices(const ArgumentCheck& check, const Tensor& indices, std::int64_t tokens,
                                    const Tensor& cu_seqlens_q) {
  check.words("topk_indices", indices, DType::kInt32, {tokens, kAnySize}, Access::kInput);
  check.vector("cu_seqlens_q", cu_seqlens_q, DType::kInt32, kAnySize);
  if (cu_seqlens_q.shape[0] < 1) [[unlikely]]
    check.fail("cu_seqlens_q is empty; it must have B + 1 entries: give a 0 where there is no sequence");
  if (indices.shape[1] > std::numeric_limits<int>::max()) [[unlikely]]
    check.fail(fmt::format("topk_indices has {} columns; at most 2^31 - 1 are served: give the mask itself",
                           indices.shape[1]));
  const std::int64_t batch = check.count("sequences", cu_seqlens_q.shape[0] - 1);
  MaskFromTopkCall call;
  call.tokens = check.count("query tokens", indices.shape[0]);
  call.tile_rows = batch == 0 || call.tokens == 0 ? 0 : mask_tile_rows(call.tokens, batch);
  call.params = {.indices = static_cast<const int*>(indices.data),
                 .indices_stride = row_stride(indices),
                 .topk = static_cast<int>(indices.shape[1]),
                 .batch = static_cast<int>(batch),
                 .cu_seqlens_q = static_cast<const int*>(cu_seqlens_q.data),
                 .seq_lens = nullptr,
                 .mask = {},
                 .parts = 1,
                 .chunk_words = 0};
  return call;
}

kernel::KeyMask<kernel::u32> check_key_mask(const ArgumentCheck& check, const Tensor& mask, const Tensor& tiles,
                                            std::int64_t tokens, std::int64_t batch, Access access) {
  check.words("mask", mask, DType::kInt32, {tokens, kAnySize}, access);
  const std::int64_t words = mask.shape[1];
  if (words > kMostWords) [[unlikely]] {
    check.fail(fmt::format("mask has {} words per row; at most {} are served (2^31 positions): pass a narrower view",
                           words, kMostWords));
  }
  check.words("mask_tiles", tiles, DType::kInt32, {mask_tile_rows(tokens, batch), mask_tile_words(words)}, access);
  return {.bits = static_cast<kernel::u32*>(mask.data),
          .bits_stride = row_stride(mask),
          .tiles = static_cast<kernel::u32*>(tiles.data),
          .tiles_stride = row_stride(tiles),
          .words = static_cast<int>(words),
          .tile_words = static_cast<int>(mask_tile_words(words))};
}

MaskFromTopkCall check_mask_from_topk(const MaskFromTopkParams& p) {
  MaskFromTopkCall call = check_topk_indices(kMaskFromTopk, p.topk_indices, kAnySize, p.cu_seqlens_q);
  const std::int64_t batch = call.params.batch;
  if (p.seq_lens.given()) {
    kMaskFromTopk.vector("seq_lens", p.seq_lens, DType::kInt32, batch);
    call.params.seq_lens = static_cast<const int*>(p.seq_lens.data);
  }
  call.params.mask = check_key_mask(kMaskFromTopk, p.mask, p.mask_tiles, call.tokens, batch, Access::kOutput);
  return call;
}

}  // namespace attnjit::runtime
