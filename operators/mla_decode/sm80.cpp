#include "operators/mla_decode/sm80.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "attnjit/error.hpp"
#include "runtime/dtypes.h"
#include "runtime/workspace.h"
#include "templates/shared/sm80_mla_decode_config.h"

namespace attnjit::runtime {
namespace {

using kernel::Element;
using kernel::Sm80MlaCombineConfig;
using kernel::Sm80MlaDecodeConfig;

/// A tile size and the conditions for using it.
struct TileChoice {
  int block_m;
  int block_n;
  int stages;
  int warps;
  int ctas_per_sm;                // the row applies only to SMs whose shared memory allows them
  bool converted;                 // whether it is for caches that are converted to 16 bits
  int max_latent_integer = 9999;  // largest R (latent_dim) where the conversion is integer code
};

// For each block_m, in order of preference: the first row that fits the SM's shared memory is used. Comments name the
// limit that binds. Shared memory in KB is for (R, P) = (512, 64); with R = 256 all rows but those of block_m 64 fit in
// 99 KB.
constexpr TileChoice kTiles[] = {
    // 16 rows: at most 16 heads, one query.
    {16, 32, 2, 4, 2, false},  // 101 KB: two CTAs on 228 KB, one loads while the other multiplies
    {16, 32, 2, 4, 2, true},   // 101 KB, 109 KB with 656-byte rows
    {16, 32, 2, 4, 1, false},  // 164 KB of shared memory: one CTA
    {16, 32, 2, 4, 1, true},   // the same
    {16, 16, 3, 4, 1, false},  // 79 of 99 KB of shared memory; three stages keep as many bytes in flight
    {16, 16, 3, 4, 1, true},   // 70 KB, 76 KB
    // 32 rows.
    {32, 32, 2, 4, 1, false},      // registers: 128 (output) + 32 (scores), one CTA
    {32, 32, 2, 4, 1, true, 256},  // the same; 129 KB, 137 KB
    {32, 16, 3, 4, 1, true},       // registers: integer code needs 16 of the scores' for constants. 94 KB: also fits 99
    // 64 rows: all other calls. Eight warps use each row of keys twice as often.
    {64, 32, 2, 8, 1, false},      // 186 KB of 227 KB
    {64, 32, 1, 8, 1, true, 256},  // 168 KB, 172 KB: a second stage would take 186 KB, 194 KB and was no faster
};
constexpr int kBlockMs[] = {16, 32, 64};

kernel::CacheFormat format_of(CacheFormat format) {
  switch (format) {
    case CacheFormat::kE4M3: return kernel::CacheFormat::kE4M3;
    case CacheFormat::kE4M3Rows: return kernel::CacheFormat::kE4M3Block;
    default: return kernel::CacheFormat::kSame;
  }
}

Sm80MlaDecodeConfig kernel_config(const MlaDecodeConfig& config, const SmFeatures& features, const TileChoice& tile) {
  const Element out = element_of(config.out_dtype.value_or(config.dtype));
  return {.element = element_of(config.dtype),
          .out_element = out,
          .cache = format_of(config.cache_format),
          .latent_dim = config.kv_lora_rank,
          .rope_dim = config.rope_dim,
          .page_size = config.page_size,
          .causal = config.causal,
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .stages = tile.stages,
          .warps = tile.warps,
          .ctas_per_sm = tile.ctas_per_sm,
          // Has no effect where nothing is e4m3; left off so that all SMs share the kernel of the same tile.
          .e4m3_cvt = (out == Element::kFloat8E4M3 || config.cache_format != CacheFormat::kSame) && features.e4m3_cvt,
          .dependent_launch = features.dependent_launch};
}

std::optional<Sm80MlaDecodeConfig> choose_tile(int block_m, const MlaDecodeConfig& config, const SmFeatures& features) {
  for (const TileChoice& tile : kTiles) {
    if (tile.block_m != block_m || tile.converted != (config.cache_format != CacheFormat::kSame)) continue;
    if (tile.converted && !features.e4m3_cvt && config.kv_lora_rank > tile.max_latent_integer) continue;
    const Sm80MlaDecodeConfig candidate = kernel_config(config, features, tile);
    const int smem = smem_bytes(candidate);
    if (smem <= features.smem_per_cta && tile.ctas_per_sm * (smem + kReservedSmemPerCta) <= features.smem_per_sm) {
      return candidate;
    }
  }
  return std::nullopt;
}

/// Rows per CTA of the combine kernel: its eight warps share a row's partials where there are many.
int combine_rows(int parts, int batch) {
  const std::int64_t b = batch;
  return parts > 16 * b ? 1 : parts > 8 * b ? 2 : parts > 4 * b ? 4 : 8;
}

/// Offsets in the workspace.
struct WorkspaceLayout {
  std::size_t partial_lse;
  std::size_t first_split;
  std::size_t last_split;
  std::size_t end;

  /// For a grid of `ctas`, each of which leaves two partials.
  WorkspaceLayout(std::int64_t ctas, int block_m, int latent_dim, int batch) {
    const std::size_t rows = static_cast<std::size_t>(ctas) * 2 * static_cast<std::size_t>(block_m);
    const std::size_t numbers = static_cast<std::size_t>(batch) * sizeof(int);
    partial_lse = aligned_workspace(rows * static_cast<std::size_t>(latent_dim) * sizeof(float));
    first_split = partial_lse + aligned_workspace(rows * sizeof(float));
    last_split = first_split + aligned_workspace(numbers);
    end = last_split + aligned_workspace(numbers);
  }
};

class Sm80MlaDecodeKernels final : public MlaDecodeKernels {
 public:
  Sm80MlaDecodeKernels(const MlaDecodeConfig& config, const SmFeatures& features) : sm_count_(features.sm_count) {
    for (const int block_m : kBlockMs) {
      if (const auto tile = choose_tile(block_m, config, features)) {
        configs_.push_back(*tile);
        plans_.push_back(make_plan("sm80_mla_decode", "Sm80MlaDecodeConfig", "MlaDecodeParams", *tile));
      }
    }
    const Sm80MlaDecodeConfig& any = configs_.front();
    const Sm80MlaCombineConfig combine{.out_element = any.out_element,
                                       .latent_dim = any.latent_dim,
                                       .e4m3_cvt = any.out_element == Element::kFloat8E4M3 && features.e4m3_cvt,
                                       .dependent_launch = features.dependent_launch};
    plans_.push_back(make_plan("sm80_mla_combine", "Sm80MlaCombineConfig", "MlaDecodeParams", combine));
  }

  Schedule schedule(const MlaDecodeCall& call, const Forced& forced) const override {
    if (call.params.batch == 0 || call.rows() == 0) return {};
    const int chosen = forced.plan >= 0 ? std::min(forced.plan, most_rows()) : choose(call.rows());
    const Sm80MlaDecodeConfig& config = config_of(chosen);
    const Split split = split_of(call, config);
    Schedule schedule;
    schedule.then({.plan = chosen, .ctas = static_cast<unsigned>(split.parts * split.m_blocks)});
    schedule.workspace_bytes = layout_of(call, config, split).end;
    if (split.parts == 1) return schedule;  // no sequence is split
    const std::int64_t combine_ctas =
        std::int64_t{call.params.batch} * kernel::ceil_div(call.rows(), split.combine_rows);
    if (combine_ctas > std::numeric_limits<int>::max()) {
      throw Error(Status::kInvalidArgument,
                  fmt::format("mla_decode: {} sequences x {} rows (queries x heads) are more CTAs than a grid has "
                              "(2^31 - 1): split the batch",
                              call.params.batch, call.rows()));
    }
    return schedule.then(
        {.plan = static_cast<int>(plans_.size()) - 1,
         .ctas = static_cast<unsigned>(combine_ctas),
         .order = config.dependent_launch ? LaunchOrder::kOverlapsPrevious : LaunchOrder::kAfterPrevious});
  }

  /// Both kernels take the same parameter.
  const void* args(const MlaDecodeCall& call, const Schedule& schedule, int, void* workspace, Launcher&,
                   ArgsStorage& storage) const override {
    const Sm80MlaDecodeConfig& config = config_of(schedule[0].plan);
    const Split split = split_of(call, config);
    kernel::MlaDecodeParams& args = storage.make(call.params);
    args.block_m = config.block_m;
    args.m_blocks = split.m_blocks;
    args.parts = split.parts;
    args.combine_rows = split.combine_rows;
    const WorkspaceLayout layout = layout_of(call, config, split);
    char* const data = static_cast<char*>(workspace);
    args.partial_out = reinterpret_cast<float*>(data);
    args.partial_lse = reinterpret_cast<float*>(data + layout.partial_lse);
    args.first_split = reinterpret_cast<int*>(data + layout.first_split);
    args.last_split = reinterpret_cast<int*>(data + layout.last_split);
    return &args;
  }

  std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const override {
    // A grid with several splits has no more CTAs than the device holds at once; one with a single split leaves no
    // partials.
    std::size_t most = 0;
    for (int i = 0; i <= choose(bounds.max_seqlen_q * bounds.num_heads); ++i) {
      const Sm80MlaDecodeConfig& config = config_of(i);
      most =
          std::max(most, WorkspaceLayout(resident_ctas(config), config.block_m, config.latent_dim, bounds.batch).end);
    }
    return most;
  }

 private:
  /// How many splits the keys of a call are cut into.
  struct Split {
    int m_blocks;
    int parts;
    int combine_rows;
  };
  Split split_of(const MlaDecodeCall& call, const Sm80MlaDecodeConfig& config) const {
    const int m_blocks = kernel::ceil_div(call.rows(), config.block_m);
    const int parts = std::max(1, resident_ctas(config) / m_blocks);
    return {m_blocks, parts, combine_rows(parts, call.params.batch)};
  }
  static WorkspaceLayout layout_of(const MlaDecodeCall& call, const Sm80MlaDecodeConfig& config, const Split& split) {
    const std::int64_t ctas = split.parts == 1 ? 0 : std::int64_t{split.parts} * split.m_blocks;
    return {ctas, config.block_m, config.latent_dim, call.params.batch};
  }

  const Sm80MlaDecodeConfig& config_of(int plan) const { return configs_[static_cast<std::size_t>(plan)]; }
  int most_rows() const { return static_cast<int>(configs_.size()) - 1; }
  /// The smallest tile that holds all rows of a sequence, else the largest.
  int choose(int rows) const {
    for (int i = 0; i < most_rows(); ++i) {
      if (rows <= config_of(i).block_m) return i;
    }
    return most_rows();
  }
  int resident_ctas(const Sm80MlaDecodeConfig& config) const { return sm_count_ * config.ctas_per_sm; }

  int sm_count_;
  std::vector<Sm80MlaDecodeConfig> configs_;  // of the main kernel, by block_m; parallel to plans_, whose last combines
};

}  // namespace

std::string sm80_mla_decode_refusal(const MlaDecodeConfig& config, const SmFeatures& features) {
  // Every config that passes the operator's own check has a tile on every SM from 8.0 on. If that changes, shared
  // memory will be the reason.
  if (choose_tile(kBlockMs[0], config, features)) return "";
  return fmt::format("no tile of {} + {} columns fits the {} bytes of shared memory of this SM", config.kv_lora_rank,
                     config.rope_dim, features.smem_per_cta);
}

std::unique_ptr<MlaDecodeKernels> make_sm80_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features) {
  return std::make_unique<Sm80MlaDecodeKernels>(config, features);
}

}  // namespace attnjit::runtime
