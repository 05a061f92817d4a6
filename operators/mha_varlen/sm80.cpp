#include "operators/mha_varlen/sm80.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "attnjit/error.hpp"
#include "runtime/checked.h"
#include "runtime/dtypes.h"
#include "templates/shared/sm80_mha_varlen_config.h"

namespace attnjit::runtime {
namespace {

using kernel::Element;
using kernel::Sm80MhaVarlenConfig;

/// A tile size and the conditions for using it.
struct TileChoice {
  int max_head_dim_qk;
  int max_head_dim_v;
  int block_m;
  int block_n;
  int warps;
  int ctas_per_sm;           // as many as registers allow; skipped on SMs whose shared memory is too small for them
  bool whole_lines = false;  // only for tensors whose rows are whole 128-byte lines
  int max_sm = 999;          // only for SMs up to this one
};

// In order of preference: the first row that fits the dims, SM and shared memory is used. Comments name the limit that
// binds. 32 rows per warp use each K and V fragment twice; with 16, shared memory bandwidth is the limit (q4k causal,
// 128 heads, (192,128) on an H200: 353 vs. 284 TFLOP/s). 32 rows need dv + block_n + about 60 registers of 255; at dv =
// 128 and 64 keys that leaves none for copying rows that are not whole lines, nor for the code ptxas generates for SM
// 10 and 12.
constexpr TileChoice kLargeTiles[] = {
    {48, 256, 64, 64, 4, 2},                                         // few columns: no fragment reuse to gain
    {192, 96, 128, 64, 4, 2},                                        // registers: 96 (O) + 64 (S)
    {192, 128, 128, 64, 4, 2, /*whole_lines=*/true, /*max_sm=*/90},  // registers: 128 (O) + 64 (S)
    {192, 128, 128, 48, 4, 2},                                       // registers
    {256, 128, 128, 32, 4, 2},                                       // shared memory: Q alone takes 66 KB
    {192, 128, 128, 64, 4, 1, /*whole_lines=*/true, /*max_sm=*/90},  // shared memory (99 KB): one CTA
    {192, 128, 128, 48, 4, 1},                                       // shared memory (99 KB)
    {256, 128, 128, 32, 4, 1},                                       // shared memory (99 KB)
    {256, 256, 64, 64, 4, 2},                                        // registers: 16 rows, 128 (O) + 32 (S)
    {256, 256, 64, 64, 4, 1},                                        // shared memory (99 KB, to the last byte)
};

// For calls whose large tiles would leave half of the SMs idle: half the rows, twice the CTAs.
constexpr TileChoice kSmallTiles[] = {
    {192, 128, 64, 64, 4, 3},  // registers: 168 of 170
    {256, 128, 64, 64, 4, 2},  // shared memory
    {256, 128, 64, 64, 4, 1},  // shared memory (99 KB)
};

// With a mask: its blocks are 32 or 64 keys, and its bits take 16 bytes of shared memory per row and about ten
// registers.
constexpr TileChoice kLargeMaskedTiles[] = {
    {48, 256, 64, 64, 4, 2},    // few columns: no fragment reuse to gain
    {192, 96, 128, 64, 4, 2},   // registers: 96 (O) + 64 (S)
    {128, 128, 128, 32, 4, 2},  // registers: 128 (O) + 32 (S); with 64 keys the 64 + 64 column config spills
    {192, 128, 128, 64, 4, 2, /*whole_lines=*/true, /*max_sm=*/90},  // registers: 128 (O) + 64 (S)
    {192, 128, 128, 32, 4, 2},                                       // registers
    {256, 128, 128, 32, 4, 2},                                       // shared memory: Q alone takes 66 KB
    {192, 128, 128, 32, 4, 1},                                       // shared memory (99 KB): one CTA
    {256, 128, 128, 32, 4, 1},                                       // shared memory (99 KB)
    {256, 256, 64, 64, 4, 2, /*whole_lines=*/true},                  // registers: 16 rows, 128 (O) + 32 (S)
    {256, 192, 64, 64, 4, 2},                                        // registers
    {256, 256, 64, 32, 4, 2},                                        // registers
    {256, 256, 64, 32, 4, 1},  // shared memory (99 KB): with 64 keys the mask bits are 1 KB too many
};
constexpr TileChoice kSmallMaskedTiles[] = {
    {192, 128, 64, 64, 4, 3},  // registers: 168 of 170
    {256, 128, 64, 64, 4, 2},  // shared memory
    {256, 128, 64, 64, 4, 1},  // shared memory (99 KB)
};

std::span<const TileChoice> large_tiles(KeyMasking masking) {
  if (masking == KeyMasking::kBitmask) return kLargeMaskedTiles;
  return kLargeTiles;
}
std::span<const TileChoice> small_tiles(KeyMasking masking) {
  if (masking == KeyMasking::kBitmask) return kSmallMaskedTiles;
  return kSmallTiles;
}

constexpr int kLineElements = 64;  // 16-bit elements in 128 bytes

Sm80MhaVarlenConfig kernel_config(const MhaVarlenConfig& config, KeyMasking masking, const SmFeatures& features,
                                  const TileChoice& tile) {
  const Element out = element_of(config.out_dtype.value_or(config.dtype));
  return {.element = element_of(config.dtype),
          .out_element = out,
          .head_dim_qk = config.head_dim_qk,
          .head_dim_v = config.head_dim_v,
          .rope_dim = config.rope_dim,
          .causal = config.causal,
          .masked = masking == KeyMasking::kBitmask,
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .warps = tile.warps,
          .ctas_per_sm = tile.ctas_per_sm,
          // Has no effect without e4m3 output; left off so that all SMs share the kernel of the same tile.
          .e4m3_cvt = out == Element::kFloat8E4M3 && features.e4m3_cvt};
}

bool whole_lines(const MhaVarlenConfig& config) {
  return (config.head_dim_qk - config.rope_dim) % kLineElements == 0 && config.rope_dim % kLineElements == 0 &&
         config.head_dim_v % kLineElements == 0;
}

std::optional<Sm80MhaVarlenConfig> choose_tile(std::span<const TileChoice> table, const MhaVarlenConfig& config,
                                               KeyMasking masking, const SmFeatures& features) {
  for (const TileChoice& tile : table) {
    if (config.head_dim_qk > tile.max_head_dim_qk || config.head_dim_v > tile.max_head_dim_v) continue;
    if (features.sm > tile.max_sm || (tile.whole_lines && !whole_lines(config))) continue;
    const Sm80MhaVarlenConfig candidate = kernel_config(config, masking, features, tile);
    const int smem = smem_bytes(candidate);
    if (smem <= features.smem_per_cta && tile.ctas_per_sm * (smem + kReservedSmemPerCta) <= features.smem_per_sm) {
      return candidate;
    }
  }
  return std::nullopt;
}

class Sm80MhaVarlenKernels final : public MhaVarlenKernels {
 public:
  Sm80MhaVarlenKernels(const MhaVarlenConfig& config, KeyMasking masking, const SmFeatures& features)
      : sm_count_(features.sm_count) {
    add(choose_tile(large_tiles(masking), config, masking, features).value());
    const auto small = choose_tile(small_tiles(masking), config, masking, features);
    if (small && small->block_m < configs_[0].block_m) add(*small);
  }

  Schedule schedule(const MhaVarlenCall& call, const Forced& forced) const override {
    if (call.batch == 0 || call.max_seqlen_q == 0) return {};
    const int chosen = choose(call, forced);
    const Checked grid = ctas(call, config_of(chosen));
    if (!grid.at_most(std::numeric_limits<int>::max())) {
      throw Error(
          Status::kInvalidArgument,
          fmt::format("{}: {} sequences x {} heads x {} query tiles are more CTAs than a grid has (2^31 - 1): give "
                      "a tighter max_seqlen_q or split the batch",
                      call.operator_name, call.batch, call.heads, m_blocks(call, chosen)));
    }
    return Schedule().then({.plan = chosen, .ctas = static_cast<unsigned>(grid.value())});
  }

  const void* args(const MhaVarlenCall& call, const Schedule& schedule, int step, void*, Launcher&,
                   ArgsStorage& storage) const override {
    kernel::MhaVarlenParams& args = storage.make(call.params);
    args.m_blocks = m_blocks(call, schedule[step].plan);
    return &args;
  }

 private:
  void add(const Sm80MhaVarlenConfig& config) {
    configs_.push_back(config);
    plans_.push_back(make_plan("sm80_mha_varlen", "Sm80MhaVarlenConfig", "MhaVarlenParams", config));
  }
  const Sm80MhaVarlenConfig& config_of(int plan) const { return configs_[static_cast<std::size_t>(plan)]; }
  int m_blocks(const MhaVarlenCall& call, int plan) const {
    return kernel::ceil_div(call.max_seqlen_q, config_of(plan).block_m);
  }
  /// The small tile's throughput is a quarter lower, so it pays off only where SMs would otherwise idle: when even its
  /// CTAs get an SM each (16 heads on an H200: 512 tokens 20 vs. 25 us, 1024 tokens 48 vs. 44 us).
  int choose(const MhaVarlenCall& call, const Forced& forced) const {
    const int smallest = static_cast<int>(configs_.size()) - 1;
    if (forced.plan >= 0) return std::min(forced.plan, smallest);
    return ctas(call, config_of(0)).at_most(sm_count_ / 2) ? smallest : 0;
  }
  static Checked ctas(const MhaVarlenCall& call, const Sm80MhaVarlenConfig& config) {
    return Checked(call.batch) * call.heads * Checked(call.max_seqlen_q).pieces_of(config.block_m);
  }

  int sm_count_;
  std::vector<Sm80MhaVarlenConfig> configs_;  // parallel to plans_
};

}  // namespace

std::string sm80_mha_varlen_refusal(const MhaVarlenRequest& request, const SmFeatures& features) {
  const auto& [config, masking] = request;
  // Every config that passes the operator's own check has a tile on every SM from 8.0 on. If that changes, shared
  // memory will be the reason.
  if (choose_tile(large_tiles(masking), config, masking, features)) return "";
  return fmt::format("no tile of head dims ({}, {}) fits the {} bytes of shared memory of this SM", config.head_dim_qk,
                     config.head_dim_v, features.smem_per_cta);
}

std::unique_ptr<MhaVarlenKernels> make_sm80_mha_varlen(const MhaVarlenRequest& request, const SmFeatures& features) {
  return std::make_unique<Sm80MhaVarlenKernels>(request.config, request.masking, features);
}

}  // namespace attnjit::runtime
