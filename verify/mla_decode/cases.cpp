#include "verify/mla_decode/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "operators/mla_decode/kernels.h"

namespace attnjit::gpu_tests {
namespace {

struct Dims {
  int r;
  int p;
};
constexpr Dims kDims[] = {{512, 64}, {256, 64}, {256, 32}, {512, 0}};
constexpr int kPageSizes[] = {64, 1, 16, 32, 128};

MlaDecodeConfig make_config(const Dims& dims, DType dtype, CacheFormat format, int page_size, bool causal,
                            bool e4m3_output) {
  MlaDecodeConfig config{.kv_lora_rank = dims.r,
                         .rope_dim = dims.p,
                         .dtype = dtype,
                         .cache_format = format,
                         .page_size = page_size,
                         .causal = causal,
                         .out_dtype = {}};
  if (e4m3_output) config.out_dtype = DType::kFloat8E4M3;
  return config;
}

/// Packs tokens: this many per sequence, and so few heads that the longest one's rows need the same tile as `rows`.
void pack(DecodeCase& c, int rows, std::vector<int> queries) {
  c.heads = rows / *std::max_element(queries.begin(), queries.end());
  c.packed_q = std::move(queries);
}

/// Lengths around all tile and page boundaries, and one that is cut into many splits.
DecodeCase standard_case(const MlaDecodeConfig& config, int heads, int variety) {
  DecodeCase c;
  c.config = config;
  c.seq_lens = {1, 17, 0, 64, 130, 513, 2000};
  c.heads = heads;
  c.seqlen_q = variety % 3 == 2 ? 2 : 1;
  if (variety % 4 == 3) pack(c, heads, {1, 0, 2, 1, 3, 1, 2});
  c.q_form = variety % 2 == 0 ? QueryForm::kJoint : QueryForm::kApart;
  c.cache_form = variety % 3 == 1 ? CacheForm::kApart : CacheForm::kJoint;
  c.pages = variety % 3 == 0 ? PageForm::kTable : variety % 3 == 1 ? PageForm::kPaddedTable : PageForm::kIndices;
  c.seed = 7000 + static_cast<std::uint64_t>(variety);
  return c;
}

/// Head counts for each tile: 16, 32 and 64 rows.
constexpr int kHeadsOfTiles[] = {16, 24, 128};

}  // namespace

const std::vector<MlaDecodeConfig>& decode_configs() {
  static const std::vector<MlaDecodeConfig> configs = [] {
    std::vector<MlaDecodeConfig> all;
    // Each dims in each format, cycling through page sizes, types and masks; the wide ones with both types.
    int i = 0;
    for (const Dims& dims : kDims) {
      for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
        if (format == CacheFormat::kE4M3Rows && (dims.r != 512 || dims.p != 64)) continue;
        const int page_size = kPageSizes[i % 5];
        all.push_back(make_config(dims, DType::kBFloat16, format, page_size, true, false));
        all.push_back(make_config(dims, i % 2 == 0 ? DType::kFloat16 : DType::kBFloat16, format,
                                  kPageSizes[(i + 2) % 5], i % 3 == 0, i % 4 == 1));
        ++i;
      }
    }
    // The dims of DeepSeek-V3: all page sizes, e4m3 output for every format, no mask.
    const Dims wide = kDims[0];
    for (const int page_size : {16, 32, 128, 1}) {
      all.push_back(make_config(wide, DType::kBFloat16, CacheFormat::kSame, page_size, true, false));
    }
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
      all.push_back(make_config(wide, DType::kBFloat16, format, 64, true, true));
      all.push_back(make_config(wide, DType::kBFloat16, format, 64, false, false));
      all.push_back(make_config(wide, DType::kBFloat16, format, 64, true, false));
    }
    // Shards of a cache, in slots, against the whole.
    all.push_back(make_config(wide, DType::kBFloat16, CacheFormat::kSame, 1, true, true));
    std::vector<MlaDecodeConfig> once;
    for (const MlaDecodeConfig& config : all) {
      if (std::find(once.begin(), once.end(), config) == once.end()) once.push_back(config);
    }
    return once;
  }();
  return configs;
}

MlaDecodeConfig decode_config(int kv_lora_rank, int rope_dim, DType dtype, CacheFormat format, int page_size,
                              bool causal, bool e4m3_output) {
  const MlaDecodeConfig wanted = make_config({kv_lora_rank, rope_dim}, dtype, format, page_size, causal, e4m3_output);
  const auto& configs = decode_configs();
  if (std::find(configs.begin(), configs.end(), wanted) == configs.end()) {
    throw std::logic_error(describe(wanted) + " is no config of the GPU suite");
  }
  return wanted;
}

std::vector<DecodeCase> decode_correctness_cases() {
  std::vector<DecodeCase> cases;
  int variety = 0;
  const auto add = [&](DecodeCase c, const std::string& what) {
    c.name = fmt::format("{}_{}_heads{}", describe(c.config), c.heads, what);
    cases.push_back(std::move(c));
  };
  for (const MlaDecodeConfig& config : decode_configs()) {
    for (const int heads : kHeadsOfTiles) add(standard_case(config, heads, variety++), "");
  }
  for (const Variant variant : {Variant::kSm80, Variant::kSm86, Variant::kSm89}) {
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
      for (const int heads : kHeadsOfTiles) {
        DecodeCase c = standard_case(decode_config(512, 64, DType::kBFloat16, format, 64, true), heads, variety++);
        c.variant = variant;
        add(c, fmt::format("_planned_for_{}", to_string(variant)));
      }
    }
    for (const int heads : {16, 24}) {
      DecodeCase c =
          standard_case(decode_config(512, 64, DType::kBFloat16, CacheFormat::kE4M3, 64, true, true), heads, 0);
      c.variant = variant;
      add(c, fmt::format("_planned_for_{}", to_string(variant)));
    }
  }
  const std::pair<Data, const char*> kinds[] = {
      {Data::kLargeScores, "large_scores"}, {Data::kDominantKey, "dominant_key"}, {Data::kEqualKeys, "equal_keys"}};
  for (const auto& [data, name] : kinds) {
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
      for (const bool e4m3_output : {false, true}) {
        DecodeCase c = standard_case(decode_config(512, 64, DType::kBFloat16, format, 64, true, e4m3_output), 16, 0);
        c.data = data;
        add(c, fmt::format("_{}", name));
      }
    }
  }
  return cases;
}

std::vector<DecodeCase> decode_performance_cases() {
  struct Shape {
    const char* name;
    int sequences;
    int seq_len;
    int heads;
    int seqlen_q;
    CacheFormat format;
  };
  constexpr Shape kShapes[] = {{"b128_s4k_h16", 128, 4096, 16, 1, CacheFormat::kSame},
                               {"b128_s4k_h16_e4m3", 128, 4096, 16, 1, CacheFormat::kE4M3},
                               {"b128_s4k_h16_rows656", 128, 4096, 16, 1, CacheFormat::kE4M3Rows},
                               {"b128_s4k_h16_mtp", 128, 4096, 16, 2, CacheFormat::kSame},
                               {"b1_s32k_h16", 1, 32768, 16, 1, CacheFormat::kSame},
                               {"b1_s32k_h128_e4m3", 1, 32768, 128, 1, CacheFormat::kE4M3},
                               {"b32_s4k_h128", 32, 4096, 128, 1, CacheFormat::kSame}};
  std::vector<DecodeCase> cases;
  for (const Shape& shape : kShapes) {
    DecodeCase c;
    c.name = shape.name;
    c.config = decode_config(512, 64, DType::kBFloat16, shape.format, 64, true);
    c.seq_lens.assign(static_cast<std::size_t>(shape.sequences), shape.seq_len);
    c.heads = shape.heads;
    c.seqlen_q = shape.seqlen_q;
    c.q = c.cache = c.out = Storage::kPacked;
    c.shared_sequences = std::min(shape.sequences, 4);
    cases.push_back(c);
  }
  return cases;
}

std::vector<DecodeCase> decode_small_cases() {
  std::vector<DecodeCase> cases;
  int variety = 0;
  const auto add = [&](const MlaDecodeConfig& config, int heads, Variant variant) {
    DecodeCase c = standard_case(config, heads, variety++);
    c.seq_lens = {3, 0, 150, 40};
    if (!c.packed_q.empty()) pack(c, heads, {1, 1, 3, 0});
    c.variant = variant;
    c.sms = 3;
    c.name = fmt::format("{}_{}_heads_{}", describe(config), c.heads, to_string(variant));
    cases.push_back(c);
  };
  for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
    const MlaDecodeConfig config = decode_config(512, 64, DType::kBFloat16, format, 64, true);
    for (const int heads : {16, 20, 40}) add(config, heads, Variant::kOwn);
    add(config, 5, Variant::kSm86);
  }
  add(decode_config(512, 64, DType::kBFloat16, CacheFormat::kE4M3, 64, true), 20, Variant::kSm80);
  add(decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true, true), 16, Variant::kOwn);
  add(decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 1, true), 16, Variant::kOwn);
  return cases;
}

std::vector<DecodeCase> decode_fixed_cases() {
  std::vector<DecodeCase> all;
  for (const auto& cases :
       {decode_correctness_cases(), decode_corner_cases(), decode_performance_cases(), decode_small_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

std::vector<runtime::KernelPlan> mla_decode_kernels(const runtime::SmFeatures& own) {
  std::vector<runtime::KernelPlan> kernels;
  std::vector<DecodeUse> seen;
  for (const auto& cases : {decode_fixed_cases(), random_decode_cases(0)}) {
    for (const DecodeCase& c : cases) {
      const DecodeUse use{c.config, c.variant};
      if (std::find(seen.begin(), seen.end(), use) != seen.end()) continue;
      seen.push_back(use);
      const auto chosen = runtime::choose_mla_decode(c.config, features_of(c, own));
      kernels.insert(kernels.end(), chosen->plans().begin(), chosen->plans().end());
    }
  }
  return kernels;
}

std::vector<CompileCase> mla_decode_compile_cases() {
  std::vector<CompileCase> cases;
  const auto add = [&](const char* target, const MlaDecodeConfig& config) {
    cases.push_back({target, "mla_decode_" + describe(config), [config](const runtime::SmFeatures& features) {
                       return runtime::choose_mla_decode(config, features)->plans();
                     }});
  };
  // For SM 9.0, where the kernels are run: each dims and format, and e4m3 output for the widest rows. For others: the
  // widest rows and integer conversions.
  for (const Dims& dims : kDims) {
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3}) {
      add("sm_90a", make_config(dims, DType::kBFloat16, format, 64, true, false));
    }
  }
  add("sm_90a", make_config(kDims[0], DType::kBFloat16, CacheFormat::kE4M3Rows, 1, true, false));
  for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
    add("sm_90a", make_config(kDims[0], DType::kBFloat16, format, 64, true, true));
  }
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_100f", "sm_120f"}) {
    add(target, make_config(kDims[0], DType::kBFloat16, CacheFormat::kSame, 64, true, false));
    add(target, make_config(kDims[0], DType::kBFloat16, CacheFormat::kE4M3, 1, true, true));
    add(target, make_config(kDims[0], DType::kBFloat16, CacheFormat::kE4M3Rows, 64, true, false));
  }
  return cases;
}

}  // namespace attnjit::gpu_tests
