#include "operators/mha_varlen/sm90.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "attnjit/error.hpp"
#include "runtime/checked.h"
#include "runtime/dtypes.h"
#include "templates/shared/sm90_mha_varlen_config.h"
#include "templates/shared/tile_counters.h"

namespace attnjit::runtime {
namespace {

using kernel::Sm90MhaVarlenConfig;
using kernel::Sm90MhaVarlenParams;

/// A tile size and the dims it is for.
struct TileChoice {
  int max_head_dim_qk;
  int head_dim_v;
  int block_m;
  int block_n;
  int stages;
};

// The first row that fits is used; comments name the limit that binds. A tile of 128 queries is two warpgroups, each
// with its own rows.
constexpr TileChoice kLargeTiles[] = {
    {192, 64, 128, 128, 2},   // registers: 64 (S) + 32 (P) + 32 (O) of 232
    {192, 96, 128, 128, 2},   // registers
    {192, 128, 128, 128, 2},  // shared memory, to the last KB
    {256, 64, 128, 64, 3},    // shared memory
    {256, 96, 128, 64, 2},    // shared memory
    {256, 128, 128, 64, 2},   // shared memory
    {256, 256, 128, 64, 2},   // registers: 32 (S) + 32 (P) + 128 (O)
};

// For calls whose large tiles would leave SMs idle (see expected_span()): half the rows; both warpgroups share them and
// take half of the keys each (16 heads, 512 tokens, on an H200: 14.0 vs. 16.4 us).
constexpr TileChoice kSmallTiles[] = {
    {192, 64, 64, 128, 2},
    {192, 128, 64, 128, 2},
};

constexpr std::int64_t kMostTiles = std::int64_t{1} << 30;

// blocks() shifts, so block sizes must be powers of two.
constexpr bool has_powers_of_two(std::span<const TileChoice> table) {
  return std::ranges::all_of(table, [](const TileChoice& tile) {
    return std::has_single_bit(static_cast<unsigned>(tile.block_m)) &&
           std::has_single_bit(static_cast<unsigned>(tile.block_n));
  });
}
static_assert(has_powers_of_two(kLargeTiles) && has_powers_of_two(kSmallTiles));

Sm90MhaVarlenConfig kernel_config(const MhaVarlenConfig& config, KeyMasking masking, const TileChoice& tile) {
  return {.element = element_of(config.dtype),
          .out_element = element_of(config.out_dtype.value_or(config.dtype)),
          .head_dim_qk = config.head_dim_qk,
          .head_dim_v = config.head_dim_v,
          .rope_dim = config.rope_dim,
          .causal = config.causal,
          .masked = masking == KeyMasking::kBitmask,
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .stages = tile.stages};
}

template <std::size_t kRows>
std::optional<Sm90MhaVarlenConfig> choose_tile(const TileChoice (&table)[kRows], const MhaVarlenConfig& config,
                                               KeyMasking masking, const SmFeatures& features) {
  for (const TileChoice& tile : table) {
    if (config.head_dim_qk > tile.max_head_dim_qk || config.head_dim_v != tile.head_dim_v) continue;
    const Sm90MhaVarlenConfig candidate = kernel_config(config, masking, tile);
    if (smem_bytes(candidate) <= features.smem_per_cta) return candidate;
  }
  return std::nullopt;
}

class Sm90MhaVarlenKernels final : public MhaVarlenKernels {
 public:
  Sm90MhaVarlenKernels(const MhaVarlenConfig& config, KeyMasking masking, const SmFeatures& features)
      : sm_count_(features.sm_count) {
    add(choose_tile(kLargeTiles, config, masking, features).value());
    if (const auto small = choose_tile(kSmallTiles, config, masking, features)) add(*small);
  }

  Schedule schedule(const MhaVarlenCall& call, const Forced& forced) const override {
    if (call.batch == 0 || call.max_seqlen_q == 0) return {};
    const int chosen = choose(call, forced);
    // 2^31 sequences of 2^16 heads and 2^25 tiles would not fit in 64 bits.
    if (!(Checked(call.batch) * call.heads * blocks(call.max_seqlen_q, config_of(chosen).block_m))
             .at_most(kMostTiles)) {
      throw Error(
          Status::kInvalidArgument,
          fmt::format("{}: {} sequences x {} heads of up to {} queries are more tiles than 2^30: give a tighter "
                      "max_seqlen_q or split the batch",
                      call.operator_name, call.batch, call.heads, call.max_seqlen_q));
    }
    const std::int64_t count = tiles(call, config_of(chosen));
    // Persistent: one CTA per SM, each working on one tile after another.
    const std::int64_t ctas = forced.ctas > 0 ? forced.ctas : static_cast<unsigned>(sm_count_);
    return Schedule().then({.plan = chosen, .ctas = static_cast<unsigned>(std::min(count, ctas))});
  }

  const void* args(const MhaVarlenCall& call, const Schedule& schedule, int index, void*, Launcher& launcher,
                   ArgsStorage& storage) const override {
    const Step& step = schedule[index];
    const Sm90MhaVarlenConfig& config = config_of(step.plan);
    const int nope = config.head_dim_qk - config.rope_dim;
    auto& to = storage.make<Sm90MhaVarlenParams>();
    const auto map = [&](const kernel::TokenRows& rows, std::int64_t tokens, std::int64_t heads, int columns,
                         int box_rows, kernel::TensorMap& map_of_it) {
      if (tokens == 0) {
        // The driver cannot encode a map of an empty tensor, and no kernel reads one. But the kernel prefetches all
        // maps, so an empty tensor gets q's map. q is never empty here: without queries nothing is launched.
        map_of_it = nope > 0 ? to.q_nope : to.q_pe;
        return;
      }
      launcher.encode({rows, tokens, heads, columns, box_rows, config.element}, map_of_it);
    };
    const int kv_heads = call.heads / call.params.qhead_per_kvhead;

    if (nope > 0) {
      map(call.params.q_nope, call.tokens_q, call.heads, nope, kernel::kConsumerRows, to.q_nope);
      map(call.params.k_nope, call.tokens_k, kv_heads, nope, config.block_n, to.k_nope);
    }
    if (config.rope_dim > 0) {
      map(call.params.q_pe, call.tokens_q, call.heads, config.rope_dim, kernel::kConsumerRows, to.q_pe);
      map(call.params.k_pe, call.tokens_k, kv_heads, config.rope_dim, config.block_n, to.k_pe);
    }
    map(call.params.v, call.tokens_k, kv_heads, config.head_dim_v, config.block_n, to.v);
    const kernel::KeyMask<const kernel::u32>& mask = call.params.mask;
    to.mask_is_mapped = config.masked && reinterpret_cast<std::uintptr_t>(mask.bits) % 16 == 0 &&
                        mask.bits_stride * 4 % 16 == 0 && mask.words > 0;
    if (to.mask_is_mapped != 0) {
      launcher.encode({.rows = {mask.bits, mask.bits_stride, mask.bits_stride},
                       .tokens = call.tokens_q,
                       .heads = 1,
                       .columns = mask.words,
                       .box_rows = config.block_m,
                       .box_columns = BoxColumns::kMaskWords},
                      to.mask);
    } else if (config.masked) {
      to.mask = to.v;  // never read, but prefetched
    }
    to.call = call.params;
    to.zero = 0;
    to.counter = tiles(call, config) > step.ctas ? launcher.tile_counter(step.plan) : kernel::kNoTileCounter;
    to.batch = call.batch;

    // Causal tiles differ in length: heads run in groups whose keys fit in L2 together, each group's long tiles first,
    // and the last 16 heads form the final group, whose short tiles even out when the SMs finish. Without a mask all
    // tiles are alike, and going head by head leaves the most room in L2. On an H200 (causal, 16 heads, q4k): 150 us
    // with a last group of 8 heads, 143 with 16; (full, 128 heads, q8k): 7.4 ms head by head, 8.6 in groups of 4.
    constexpr std::int64_t kGroupBytes = 10 << 20;
    constexpr int kLastHeads = 16;
    const std::int64_t head_bytes =
        std::int64_t{2} * (config.head_dim_qk + config.head_dim_v) * std::max(1, call.max_seqlen_k);
    to.head_group =
        config.causal ? static_cast<int>(std::clamp<std::int64_t>(kGroupBytes / head_bytes, 1, call.heads)) : 1;
    to.last_heads = config.causal ? std::min(call.heads, std::max(kLastHeads, to.head_group)) : 0;
    return &to;
  }

 private:
  void add(const Sm90MhaVarlenConfig& config) {
    configs_.push_back(config);
    plans_.push_back(make_plan("sm90_mha_varlen", "Sm90MhaVarlenConfig", "Sm90MhaVarlenParams", config));
  }
  /// Shifts: block sizes are not compile-time constants here, so a plain division would be a real one, and a call needs
  /// eight of these.
  static std::int64_t blocks(std::int64_t rows, int power_of_two) {
    return (rows + power_of_two - 1) >> std::countr_zero(static_cast<std::uint32_t>(power_of_two));
  }
  /// An upper bound: sequences shorter than the longest have fewer tiles.
  static std::int64_t tiles(const MhaVarlenCall& call, const Sm90MhaVarlenConfig& config) {
    return std::int64_t{call.batch} * call.heads * blocks(call.max_seqlen_q, config.block_m);
  }

  const Sm90MhaVarlenConfig& config_of(int plan) const { return configs_[static_cast<std::size_t>(plan)]; }
  int choose(const MhaVarlenCall& call, const Forced& forced) const {
    if (configs_.size() == 1) return 0;
    if (forced.plan >= 0) return std::min(forced.plan, 1);
    return expected_span(call, config_of(1)) <= expected_span(call, config_of(0)) ? 1 : 0;
  }
  /// Estimates how long the last SM works, in steps of 128 queries by 128 keys, assuming all sequences have the maximum
  /// length.
  double expected_span(const MhaVarlenCall& call, const Sm90MhaVarlenConfig& config) const {
    constexpr double kTile = 1.5;        // overhead per tile, in steps
    constexpr double kSmallStep = 0.75;  // 64 queries by 128 keys: half the math, but all of the keys are read
    const double step = (config.block_m == kernel::kConsumerRows ? kSmallStep : 1.0) * config.block_n / 128;
    const std::int64_t keys = call.max_seqlen_k;
    const std::int64_t first_keys =
        config.causal ? std::clamp<std::int64_t>(config.block_m + keys - call.max_seqlen_q, 0, keys) : keys;
    const auto last = static_cast<double>(blocks(keys, config.block_n));
    const auto first = static_cast<double>(blocks(first_keys, config.block_n));
    const double longest = kTile + step * last;
    const double mean = kTile + step / 2 * (first + last);
    const std::int64_t count = tiles(call, config);
    // Tiles of unequal length are scheduled longest first, so the load evens out.
    const double per_sm = static_cast<double>(count) / sm_count_;
    return std::max(longest, mean * (config.causal ? per_sm : std::ceil(per_sm)));
  }

  int sm_count_;
  std::vector<Sm90MhaVarlenConfig> configs_;  // parallel to plans_
};

}  // namespace

std::string sm90_mha_varlen_refusal(const MhaVarlenRequest& request, const SmFeatures& features) {
  const auto& [config, masking] = request;
  if (!features.wgmma) return "needs wgmma: an SM 9.0 and the target sm_90a";
  if (!choose_tile(kLargeTiles, config, masking, features)) {
    const auto serves_columns = [&](const TileChoice& tile) { return tile.head_dim_v == config.head_dim_v; };
    if (std::none_of(std::begin(kLargeTiles), std::end(kLargeTiles), serves_columns)) {
      return fmt::format("head_dim_v is {}; 64, 96, 128 and 256 are served", config.head_dim_v);
    }
    return fmt::format(
        "tiles of head_dim_qk {}, of which {} rope columns, and head_dim_v {} exceed {} bytes of shared memory",
        config.head_dim_qk, config.rope_dim, config.head_dim_v, features.smem_per_cta);
  }
  return "";
}

std::unique_ptr<MhaVarlenKernels> make_sm90_mha_varlen(const MhaVarlenRequest& request, const SmFeatures& features) {
  return std::make_unique<Sm90MhaVarlenKernels>(request.config, request.masking, features);
}

}  // namespace attnjit::runtime
