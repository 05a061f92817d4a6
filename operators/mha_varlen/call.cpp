#include "operators/mha_varlen/call.h"

#include <fmt/format.h>

#include "attnjit/error.hpp"
#include "runtime/argument_check.h"

namespace attnjit::runtime {
namespace {

/// q or k in either of its forms, as two column ranges.
struct ColumnRanges {
  kernel::TokenRows nope;
  kernel::TokenRows pe;
  std::int64_t tokens;
  std::int64_t heads;
};

kernel::TokenRows token_rows(const Tensor& t, std::int64_t first_column) {
  // A dim of one element may have any stride; the kernel only multiplies it by 0.
  return {static_cast<const char*>(t.data) + first_column * size_in_bytes(t.dtype), t.strides[0], t.strides[1]};
}

struct Names {
  const char* joint;
  const char* nope;
  const char* pe;
  const char* which_form;
};
constexpr Names kQueryNames{"q", "q_nope", "q_pe", "give either q, or q_nope and q_pe"};
constexpr Names kKeyNames{"k", "k_nope", "k_pe", "give either k, or k_nope and k_pe"};

ColumnRanges check_columns(const ArgumentCheck& check, const Names& names, const MhaVarlenConfig& config,
                           const Tensor& joint, const Tensor& nope, const Tensor& pe, std::int64_t tokens,
                           std::int64_t heads) {
  const std::int64_t nope_columns = config.head_dim_qk - config.rope_dim;
  if (joint.given()) {
    check.absent(names.nope, nope, names.which_form);
    check.absent(names.pe, pe, names.which_form);
    check.rows(names.joint, joint, config.dtype, {tokens, heads, config.head_dim_qk}, Access::kInput);
    return {token_rows(joint, 0), token_rows(joint, nope_columns), joint.shape[0], joint.shape[1]};
  }
  check.given(names.nope, nope, names.which_form);
  check.rows(names.nope, nope, config.dtype, {tokens, heads, nope_columns}, Access::kInput);
  ColumnRanges ranges{token_rows(nope, 0), {}, nope.shape[0], nope.shape[1]};
  if (config.rope_dim == 0) {
    check.absent(names.pe, pe, "the operator was made with rope_dim = 0");
    return ranges;
  }
  if (pe.rank == 2) {  // one row per token, shared by all heads
    check.rows(names.pe, pe, config.dtype, {ranges.tokens, config.rope_dim}, Access::kInput);
    ranges.pe = {pe.data, pe.strides[0], 0};
  } else {
    check.rows(names.pe, pe, config.dtype, {ranges.tokens, ranges.heads, config.rope_dim}, Access::kInput);
    ranges.pe = token_rows(pe, 0);
  }
  return ranges;
}

constexpr int kMostColumns = 256;  // of a head

void check_head_dim(const ArgumentCheck& check, const char* name, int value) {
  if (value >= 16 && value <= kMostColumns && value % 16 == 0) return;
  const std::string rule = fmt::format("{}: {} is {}; it must be a multiple of 16 from 16 to {}.",
                                       check.operator_name(), name, value, kMostColumns);
  if (value > kMostColumns) {  // padding would not help
    throw Error(Status::kUnsupported,
                fmt::format("{} Heads of more columns are served by mla_decode alone, in MLA's absorbed form: "
                            "kv_lora_rank 512 + rope_dim 64 for 576",
                            rule));
  }
  throw Error(Status::kUnsupported,
              fmt::format("{} The nearest that is served is {}: pad the tensors with zero columns", rule,
                          std::max(16, (value + 15) / 16 * 16)));
}

}  // namespace

void check_mha_varlen_config(const MhaVarlenConfig& config, const ArgumentCheck& check) {
  check_head_dim(check, "head_dim_qk", config.head_dim_qk);
  check_head_dim(check, "head_dim_v", config.head_dim_v);
  if (config.rope_dim < 0 || config.rope_dim > config.head_dim_qk || config.rope_dim % 16 != 0) {
    throw Error(
        Status::kUnsupported,
        fmt::format("{}: rope_dim is {}; it must be a multiple of 16 from 0 to head_dim_qk ({}), which counts the "
                    "rope columns too: {}",
                    check.operator_name(), config.rope_dim, config.head_dim_qk,
                    config.rope_dim > config.head_dim_qk ? "give head_dim_qk as the sum of both parts"
                    : config.rope_dim < 0                ? "give 0 where q and k have no rope columns"
                                                         : "pad both parts of q and k with zero columns"));
  }
  if (config.dtype != DType::kBFloat16 && config.dtype != DType::kFloat16) {
    throw Error(Status::kUnsupported,
                fmt::format("{}: dtype is {}; bfloat16 and float16 are served: convert q, k and v",
                            check.operator_name(), to_string(config.dtype)));
  }
  const DType out = config.out_dtype.value_or(config.dtype);
  if (out != config.dtype && out != DType::kFloat8E4M3) {
    throw Error(Status::kUnsupported, fmt::format("{}: out_dtype is {}; {} (the input's) and float8_e4m3 are "
                                                  "served: choose one of them, and convert the output",
                                                  check.operator_name(), to_string(out), to_string(config.dtype)));
  }
}

MhaVarlenCall check_mha_varlen(const MhaVarlenConfig& config, const MhaVarlenParams& p, const ArgumentCheck& check) {
  const DType out_dtype = config.out_dtype.value_or(config.dtype);

  // ---- inputs: q defines Tq and H, v defines Tk and Hk
  const ColumnRanges q = check_columns(check, kQueryNames, config, p.q, p.q_nope, p.q_pe, kAnySize, kAnySize);
  check.rows("v", p.v, config.dtype, {kAnySize, kAnySize, config.head_dim_v}, Access::kInput);
  const ColumnRanges k = check_columns(check, kKeyNames, config, p.k, p.k_nope, p.k_pe, p.v.shape[0], p.v.shape[1]);
  if (q.heads < 1 || k.heads < 1 || q.heads % k.heads != 0) [[unlikely]] {
    check.fail(
        fmt::format("{} query heads and {} key/value heads; both must be at least 1, and the query heads a "
                    "multiple of the key/value heads: look at the shapes of q and v",
                    q.heads, k.heads));
  }
  if (q.heads > 65535) [[unlikely]]
    check.fail(fmt::format("{} query heads; at most 65535 are served: split them over several calls", q.heads));

  // ---- outputs
  check.rows("out", p.out, out_dtype, {q.tokens, q.heads, config.head_dim_v}, Access::kOutput);
  if (p.lse.given()) check.elements("lse", p.lse, DType::kFloat32, {q.tokens, q.heads}, Access::kOutput);
  if (out_dtype == DType::kFloat8E4M3) {
    check.vector("out_scale", p.out_scale, DType::kFloat32, 1);
  } else {
    check.absent("out_scale", p.out_scale, "it belongs to float8_e4m3 output");
  }

  // ---- lengths and scale
  check.vector("cu_seqlens_q", p.cu_seqlens_q, DType::kInt32, kAnySize);
  const std::int64_t entries = p.cu_seqlens_q.shape[0];
  check.vector("cu_seqlens_k", p.cu_seqlens_k, DType::kInt32, entries);
  if (entries < 1) [[unlikely]]
    check.fail(
        "cu_seqlens_q and cu_seqlens_k are empty; they must have B + 1 entries: give a 0 where there is no sequence");
  check.longest("max_seqlen_q", p.max_seqlen_q);
  check.longest("max_seqlen_k", p.max_seqlen_k);

  MhaVarlenCall call;
  call.operator_name = check.operator_name();
  call.batch = check.count("sequences", entries - 1);
  call.heads = static_cast<int>(q.heads);
  // No sequence is longer than the tensor that holds it, whatever the caller's upper bound says.
  call.max_seqlen_q = static_cast<int>(std::min<std::int64_t>(p.max_seqlen_q, q.tokens));
  call.max_seqlen_k = static_cast<int>(std::min<std::int64_t>(p.max_seqlen_k, k.tokens));
  call.tokens_q = check.count("query tokens", q.tokens);
  call.tokens_k = check.count("key tokens", k.tokens);
  call.params = {.q_nope = q.nope,
                 .q_pe = q.pe,
                 .k_nope = k.nope,
                 .k_pe = k.pe,
                 .v = token_rows(p.v, 0),
                 .cu_seqlens_q = static_cast<const int*>(p.cu_seqlens_q.data),
                 .cu_seqlens_k = static_cast<const int*>(p.cu_seqlens_k.data),
                 .out_scale = static_cast<const float*>(p.out_scale.data),
                 .mask = {},
                 .key_offset = nullptr,
                 .out = p.out.data,
                 .out_token_stride = p.out.strides[0],
                 .out_head_stride = p.out.strides[1],
                 .lse = static_cast<float*>(p.lse.data),
                 .lse_token_stride = p.lse.strides[0],
                 .lse_head_stride = p.lse.strides[1],
                 .num_heads = call.heads,
                 .qhead_per_kvhead = static_cast<int>(q.heads / k.heads),
                 .m_blocks = 0,
                 .softmax_scale_log2 = check.softmax_scale_log2(p.softmax_scale)};
  return call;
}

}  // namespace attnjit::runtime
