#include "operators/masked_mha/call.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/workspace.h"
#include "templates/shared/tensor_map.h"

namespace attnjit::runtime {
namespace {

constexpr const char* kWhichForm = "give either mask and mask_tiles, or topk_indices";

/// A mask in the workspace: its rows in order, at multiples of 16 bytes for TMA, then the tiles.
struct MaskLayout {
  std::int64_t words;
  std::int64_t bits_stride;
  std::int64_t tile_words;
  std::size_t bits_bytes;
  std::size_t bytes;
};

/// The byte counts cannot overflow: callers count tokens, sequences and positions in 32 bits.
MaskLayout mask_layout(std::int64_t tokens, std::int64_t tile_rows, std::int64_t words) {
  const std::int64_t tile_words = mask_tile_words(words);
  const std::int64_t bits_stride = (words + kernel::kMaskBoxStep - 1) / kernel::kMaskBoxStep * kernel::kMaskBoxStep;
  const std::size_t bits_bytes = aligned_workspace(static_cast<std::size_t>(tokens * bits_stride) * 4);
  return {words, bits_stride, tile_words, bits_bytes,
          bits_bytes + aligned_workspace(static_cast<std::size_t>(tile_rows * tile_words) * 4)};
}

void attend_with(MhaVarlenCall& attention, const kernel::KeyMask<kernel::u32>& mask) {
  attention.params.mask = {.bits = mask.bits,
                           .bits_stride = mask.bits_stride,
                           .tiles = mask.tiles,
                           .tiles_stride = mask.tiles_stride,
                           .words = mask.words,
                           .tile_words = mask.tile_words};
}

void check_most_positions(const char* name, std::int64_t value) {
  if (value > (std::int64_t{1} << 31)) [[unlikely]]
    kMaskedMha.fail(fmt::format("{} is {}; at most 2^31 are served: split the keys over calls and merge their states",
                                name, value));
}

/// How many positions a mask built from the call's indices covers.
std::int64_t positions(const MhaVarlenCall& attention, const MaskedMhaParams& p) {
  if (!p.key_offset.given()) return attention.max_seqlen_k;
  if (p.max_positions < attention.max_seqlen_k) [[unlikely]] {
    kMaskedMha.fail(fmt::format(
        "max_positions is {}; with topk_indices and key_offset it must be an upper bound of key_offset[b] + "
        "keys, at least max_seqlen_k ({})",
        p.max_positions, attention.max_seqlen_k));
  }
  check_most_positions("max_positions", p.max_positions);
  return p.max_positions;
}

}  // namespace

MaskedMhaCall check_masked_mha(const MaskedMhaConfig& config, const MaskedMhaParams& p) {
  MaskedMhaCall call{check_mha_varlen(config.attention, p.attention, kMaskedMha), {}};
  const std::int64_t tokens = p.attention.out.shape[0];
  if (p.key_offset.given()) {
    kMaskedMha.vector("key_offset", p.key_offset, DType::kInt32, call.attention.batch);
    call.attention.params.key_offset = static_cast<const int*>(p.key_offset.data);
  }
  if (p.topk_indices.given()) {
    kMaskedMha.absent("mask", p.mask, kWhichForm);
    kMaskedMha.absent("mask_tiles", p.mask_tiles, kWhichForm);
    call.build = check_topk_indices(kMaskedMha, p.topk_indices, tokens, p.attention.cu_seqlens_q);
    const std::int64_t words = mask_words(positions(call.attention, p));
    call.build->params.mask = {.bits = nullptr,
                               .bits_stride = 0,
                               .tiles = nullptr,
                               .tiles_stride = mask_tile_words(words),
                               .words = static_cast<int>(words),
                               .tile_words = static_cast<int>(mask_tile_words(words))};
    return call;
  }
  kMaskedMha.given("mask", p.mask, kWhichForm);
  kMaskedMha.given("mask_tiles", p.mask_tiles, "mask_from_topk writes it beside the mask");
  attend_with(call.attention,
              check_key_mask(kMaskedMha, p.mask, p.mask_tiles, tokens, call.attention.batch, Access::kInput));
  return call;
}

std::size_t mask_bytes(const MaskFromTopkCall& build) {
  return mask_layout(build.tokens, build.tile_rows, build.params.mask.words).bytes;
}

void place_mask(MaskedMhaCall& call, void* workspace) {
  MaskFromTopkCall& build = *call.build;
  const MaskLayout layout = mask_layout(build.tokens, build.tile_rows, build.params.mask.words);
  build.params.mask.bits = static_cast<kernel::u32*>(workspace);
  build.params.mask.bits_stride = layout.bits_stride;
  build.params.mask.tiles = build.params.mask.bits + layout.bits_bytes / sizeof(kernel::u32);
  attend_with(call.attention, build.params.mask);
}

std::size_t mask_bytes(const MaskedMhaBounds& bounds) {
  kMaskedMha.not_negative("MaskedMhaBounds::tokens_q", bounds.tokens_q);
  kMaskedMha.not_negative("MaskedMhaBounds::batch", bounds.batch);
  kMaskedMha.not_negative("MaskedMhaBounds::max_positions", bounds.max_positions);
  kMaskedMha.count("query tokens (MaskedMhaBounds::tokens_q)", bounds.tokens_q);
  kMaskedMha.count("sequences (MaskedMhaBounds::batch)", bounds.batch);
  check_most_positions("MaskedMhaBounds::max_positions", bounds.max_positions);
  return mask_layout(bounds.tokens_q, mask_tile_rows(bounds.tokens_q, bounds.batch), mask_words(bounds.max_positions))
      .bytes;
}

}  // namespace attnjit::runtime
