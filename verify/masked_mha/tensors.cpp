#include "verify/masked_mha/tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "verify/dice.h"
#include "verify/poison.h"

namespace attnjit::gpu_tests {
namespace {

constexpr std::int64_t kSpareWorkspace = 256;

/// [rows, 1, columns] as [rows, columns].
Tensor as_matrix(const Tensor& t) {
  return Tensor::strided(t.data, t.dtype, {t.shape[0], t.shape[2]}, {t.strides[0], 1});
}

bool bit_of(const std::vector<std::uint32_t>& words, std::int64_t first, std::int64_t bit) {
  return (words[static_cast<std::size_t>(first + bit / 32)] >> (bit % 32) & 1u) != 0;
}

}  // namespace

void PrintTo(const MaskedCase& c, std::ostream* stream) {
  *stream << fmt::format("{}, sight {}, topk {}, {} offsets, ", c.form == MaskForm::kMask ? "mask" : "indices",
                         static_cast<int>(c.sight), c.topk, c.key_offset.empty() ? "no" : "with");
  PrintTo(c.attention, stream);
}

MaskedTensors::MaskedTensors(const MaskedCase& c, const reference::PlainKernels& plain)
    : c_(c), attention_(c.attention, plain), placed_(plain) {
  const auto batch = static_cast<int>(c.attention.len_q.size());
  const std::int64_t tokens = attention_.params().out.shape[0];
  std::int64_t positions = attention_.params().max_seqlen_k;
  std::vector<int> requests;
  for (int b = 0; b < batch; ++b) {
    requests.push_back(c.request(b));
    positions = std::max<std::int64_t>(positions, c.request(b) + c.attention.max_seqlen_slack);
  }
  const std::int64_t words = mask_words(positions);

  indices_at_ = placed_.input(c.indices, DType::kInt32, tokens, 1, c.topk);
  mask_at_ = placed_.output("mask", c.mask, DType::kInt32, tokens, 1, words);
  tiles_at_ =
      placed_.output("mask_tiles", c.mask, DType::kInt32, mask_tile_rows(tokens, batch), 1, mask_tile_words(words));
  build_ = {.topk_indices = as_matrix(indices_at_),
            .cu_seqlens_q = attention_.params().cu_seqlens_q,
            .seq_lens = c.seq_lens ? placed_.vector(requests, kPoisonLength) : Tensor{},
            .mask = as_matrix(mask_at_),
            .mask_tiles = as_matrix(tiles_at_)};
  params_.attention = attention_.params();
  if (!c.key_offset.empty()) params_.key_offset = placed_.vector(c.key_offset, kPoisonLength);
  if (c.form == MaskForm::kMask) {
    params_.mask = build_.mask;
    params_.mask_tiles = build_.mask_tiles;
  } else {
    params_.topk_indices = build_.topk_indices;
    params_.max_positions = positions;
    const std::size_t bytes =
        MaskedMha::workspace_bytes({.tokens_q = tokens, .batch = batch, .max_positions = positions});
    workspace_ = DeviceBuffer(static_cast<std::int64_t>(bytes) + kSpareWorkspace);
    workspace_.fill(kPoison32, 4);
    params_.workspace = {workspace_.data(), bytes};
  }
  draw_indices(c.attention.seed);
  upload_indices();
  if (c.nan_count > 0) attention_.poison_keys(0, c.nan_first, c.nan_count);
}

void MaskedTensors::change(const std::vector<int>& len_q, const std::vector<int>& len_k, std::uint64_t seed) {
  c_.attention.len_q = len_q;
  c_.attention.len_k = len_k;
  attention_.set_lengths(len_q, len_k);
  std::vector<int> requests;
  for (std::size_t b = 0; b < len_k.size(); ++b) requests.push_back(c_.request(static_cast<int>(b)));
  if (build_.seq_lens.given()) {
    Cuda::check(Cuda::get().copy_to_device(reinterpret_cast<CUdeviceptr>(build_.seq_lens.data), requests.data(),
                                           requests.size() * sizeof(int)),
                "cuMemcpyHtoD");
  }
  draw_indices(seed);
  upload_indices();
}

void MaskedTensors::draw_indices(std::uint64_t seed) {
  Dice dice(seed);
  indices_.clear();
  for (std::size_t b = 0; b < c_.attention.len_q.size(); ++b) {
    const int len_q = c_.attention.len_q[b];
    const int request = c_.request(static_cast<int>(b));
    const int own = request - c_.later_keys - len_q;  // position of the first query's own key
    for (int row = 0; row < len_q; ++row) {
      std::vector<int>& of_row = indices_.emplace_back();
      for (int k = 0; k < c_.topk; ++k) {
        int position = -1;
        switch (c_.sight) {
          case Sight::kAll: position = k; break;
          case Sight::kWindow: position = own + row - k; break;
          case Sight::kNone: break;
          case Sight::kRandom: position = dice.between(-5, request + 20); break;
          case Sight::kSomeRows: position = row % 3 == 0 ? dice.between(-5, request + 20) : -1; break;
        }
        if (position >= c_.hole_first && position < c_.hole_first + c_.hole_count) position = -1;
        of_row.push_back(position);
      }
    }
  }
}

void MaskedTensors::upload_indices() const {
  for (std::size_t token = 0; token < indices_.size(); ++token) {
    if (indices_[token].empty()) continue;
    const auto offset = static_cast<std::int64_t>(token) * indices_at_.strides[0];
    Cuda::check(Cuda::get().copy_to_device(reinterpret_cast<CUdeviceptr>(static_cast<int*>(indices_at_.data) + offset),
                                           indices_[token].data(), indices_[token].size() * sizeof(int)),
                "cuMemcpyHtoD");
  }
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

std::vector<std::uint32_t> MaskedTensors::expected_mask() const {
  const std::int64_t words = mask_at_.shape[2];
  std::vector<std::uint32_t> mask(indices_.size() * static_cast<std::size_t>(words));
  std::size_t token = 0;
  for (std::size_t b = 0; b < c_.attention.len_q.size(); ++b) {
    const std::int64_t end =
        std::min<std::int64_t>(c_.seq_lens ? c_.request(static_cast<int>(b)) : 32 * words, 32 * words);
    for (int row = 0; row < c_.attention.len_q[b]; ++row, ++token) {
      for (const int position : indices_[token]) {
        if (position < 0 || position >= end) continue;
        mask[token * static_cast<std::size_t>(words) + static_cast<std::size_t>(position / 32)] |= 1u
                                                                                                   << (position % 32);
      }
    }
  }
  return mask;
}

std::string MaskedTensors::take_mask() const {
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  if (c_.form == MaskForm::kIndices) {
    const auto memory = workspace_.download<std::uint32_t>();
    const bool untouched = std::all_of(memory.end() - kSpareWorkspace / 4, memory.end(),
                                       [](std::uint32_t word) { return word == kPoison32; });
    return untouched ? "" : "memory behind the workspace was written; ";
  }
  std::string trouble, ignored;
  const auto tokens = static_cast<std::int64_t>(indices_.size());
  const std::int64_t words = mask_at_.shape[2], tile_words = tiles_at_.shape[2];
  const auto mask = placed_.take<std::uint32_t>(mask_at_, "mask", tokens, trouble);
  const auto tiles = placed_.take<std::uint32_t>(tiles_at_, "mask_tiles", tiles_at_.shape[0], ignored);
  const std::vector<std::uint32_t> wanted = expected_mask();
  if (const auto wrong = std::mismatch(mask.begin(), mask.end(), wanted.begin()); wrong.first != mask.end()) {
    const auto at = wrong.first - mask.begin();
    trouble += fmt::format("mask[{}, {}] is {:#x}, not {:#x}; ", at / words, at % words, *wrong.first, *wrong.second);
  }

  // Tile rows: what their queries see, and poison where a row has none.
  std::vector<std::uint32_t> wanted_tiles(tiles.size(), kPoison32);
  std::int64_t first = 0;
  for (std::size_t b = 0; b < c_.attention.len_q.size(); first += c_.attention.len_q[b++]) {
    for (int row = 0; row < c_.attention.len_q[b]; ++row) {
      const std::int64_t tile_row = first / 64 + static_cast<std::int64_t>(b) + row / 64;
      for (std::int64_t word = 0; word < tile_words; ++word) {
        std::uint32_t& bits = wanted_tiles[static_cast<std::size_t>(tile_row * tile_words + word)];
        if (row % 64 == 0) bits = 0;
        for (std::int64_t position = word * 2048; position < std::min((word + 1) * 2048, words * 32); ++position) {
          if (bit_of(wanted, (first + row) * words, position)) bits |= 1u << (position / 64 % 32);
        }
      }
    }
  }
  if (const auto wrong = std::mismatch(tiles.begin(), tiles.end(), wanted_tiles.begin()); wrong.first != tiles.end()) {
    const auto at = wrong.first - tiles.begin();
    trouble += fmt::format("mask_tiles[{}, {}] is {:#x}, not {:#x}; ", at / tile_words, at % tile_words, *wrong.first,
                           *wrong.second);
  }
  return trouble + placed_.check_untouched();
}

reference::Expected MaskedTensors::expected() const {
  const auto& len_k = c_.attention.len_k;
  const int stride = std::max(1, len_k.empty() ? 1 : *std::max_element(len_k.begin(), len_k.end()));
  std::vector<std::uint8_t> visible(std::max<std::size_t>(1, indices_.size()) * static_cast<std::size_t>(stride));
  std::size_t token = 0;
  for (std::size_t b = 0; b < len_k.size(); ++b) {
    for (int row = 0; row < c_.attention.len_q[b]; ++row, ++token) {
      for (const int position : indices_[token]) {
        const int key = position - c_.offset(static_cast<int>(b));
        if (key >= 0 && key < len_k[b])
          visible[token * static_cast<std::size_t>(stride) + static_cast<std::size_t>(key)] = 1;
      }
    }
  }
  // If the indices contain every position, this is attention without a mask, and is judged as such.
  const bool dense = c_.sight == Sight::kAll && c_.hole_count == 0;
  return dense ? attention_.expected() : attention_.expected(visible, stride);
}

}  // namespace attnjit::gpu_tests
