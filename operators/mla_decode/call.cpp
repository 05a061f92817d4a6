#include "operators/mla_decode/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "attnjit/error.hpp"
#include "runtime/checked.h"

namespace attnjit::runtime {
namespace {

constexpr const ArgumentCheck& kCheck = kMlaDecodeCheck;
constexpr int kMaxHeads = 128;
constexpr std::int64_t kBytesOfE4M3Row = 656;
constexpr const char* kOneQuery = "give either q, or q_nope and q_pe";
constexpr const char* kOneCache = "give either cache, or latent and rope";
constexpr const char* kOnePageList = "give either block_table, or kv_indptr and kv_indices";

const void* column(const Tensor& t, std::int64_t index) {
  return static_cast<const char*>(t.data) + index * size_in_bytes(t.dtype);
}

/// Queries, outputs and their LSE come as [B, s_q, H, ..] or packed as [Tq, H, ..]. Knows which of the two a call uses.
class QueryShape {
 public:
  QueryShape(const MlaDecodeParams& p, bool packed) : packed_(packed) {
    const Tensor& q = p.q.given() ? p.q : p.q_nope;
    if (!q.given()) [[unlikely]]
      kCheck.given(p.q.given() ? "q" : "q_nope", q, kOneQuery);
    const int rank = packed ? 3 : 4;
    if (q.rank != rank) [[unlikely]] {
      kCheck.fail(fmt::format("{} has {} dims; it must be {}", p.q.given() ? "q" : "q_nope", q.rank,
                              packed ? "[Tq, H, columns], since cu_seqlens_q is given"
                                     : "[B, s_q, H, columns]; for packed [Tq, H, columns] give cu_seqlens_q"));
    }
    std::copy(q.shape.begin(), q.shape.begin() + rank - 1, shape_.begin());
  }

  bool packed() const { return packed_; }
  std::int64_t tokens() const { return packed_ ? shape_[0] : shape_[1]; }
  std::int64_t heads() const { return packed_ ? shape_[1] : shape_[2]; }
  std::int64_t batch() const { return shape_[0]; }  // not for a packed batch

  void check_rows(const char* name, const Tensor& t, DType dtype, std::int64_t columns, Access access) const {
    if (packed_) {
      kCheck.rows(name, t, dtype, {shape_[0], shape_[1], columns}, access);
    } else {
      kCheck.rows(name, t, dtype, {shape_[0], shape_[1], shape_[2], columns}, access);
    }
  }
  void check_lse(const Tensor& t) const {
    if (packed_) {
      kCheck.elements("lse", t, DType::kFloat32, {shape_[0], shape_[1]}, Access::kOutput);
    } else {
      kCheck.elements("lse", t, DType::kFloat32, {shape_[0], shape_[1], shape_[2]}, Access::kOutput);
    }
  }
  template <class Pointer>
  kernel::BatchRows<Pointer> rows_of(const Tensor& t, Pointer data) const {
    if (!t.given()) return {};
    if (packed_) return {data, 0, t.strides[0], t.strides[1]};
    return {data, t.strides[0], t.strides[1], t.strides[2]};
  }

 private:
  bool packed_;
  std::array<std::int64_t, 3> shape_{};
};

struct Queries {
  kernel::BatchRows<const void*> nope;
  kernel::BatchRows<const void*> pe;
};

Queries check_queries(const MlaDecodeConfig& config, const MlaDecodeParams& p, const QueryShape& shape) {
  const int r = config.kv_lora_rank;
  if (p.q.given()) {
    kCheck.absent("q_nope", p.q_nope, kOneQuery);
    kCheck.absent("q_pe", p.q_pe, kOneQuery);
    shape.check_rows("q", p.q, config.dtype, r + config.rope_dim, Access::kInput);
    return {shape.rows_of<const void*>(p.q, p.q.data), shape.rows_of(p.q, column(p.q, r))};
  }
  shape.check_rows("q_nope", p.q_nope, config.dtype, r, Access::kInput);
  if (config.rope_dim == 0) {
    kCheck.absent("q_pe", p.q_pe, "the operator was made with rope_dim = 0");
    return {shape.rows_of<const void*>(p.q_nope, p.q_nope.data), {}};
  }
  shape.check_rows("q_pe", p.q_pe, config.dtype, config.rope_dim, Access::kInput);
  return {shape.rows_of<const void*>(p.q_nope, p.q_nope.data), shape.rows_of<const void*>(p.q_pe, p.q_pe.data)};
}

struct Cache {
  kernel::CacheRows latent;
  kernel::CacheRows rope;
};

kernel::CacheRows cache_rows(const Tensor& t, std::int64_t first_column) {
  return {column(t, first_column), t.strides[0], t.strides[1]};
}

Cache check_cache(const MlaDecodeConfig& config, const MlaDecodeParams& p) {
  const DType dtype = config.cache_format == CacheFormat::kSame ? config.dtype : DType::kFloat8E4M3;
  const int r = config.kv_lora_rank;
  if (config.cache_format == CacheFormat::kE4M3) {
    if (p.cache_scale.given()) kCheck.vector("cache_scale", p.cache_scale, DType::kFloat32, 1);
  } else {
    kCheck.absent("cache_scale", p.cache_scale, "it belongs to cache_format e4m3");
  }
  if (config.cache_format == CacheFormat::kE4M3Rows) {
    constexpr const char* kOnePiece = "rows of 656 bytes come in one piece, as cache";
    kCheck.absent("latent", p.latent, kOnePiece);
    kCheck.absent("rope", p.rope, kOnePiece);
    kCheck.rows("cache", p.cache, dtype, {kAnySize, config.page_size, kBytesOfE4M3Row}, Access::kInput);
    return {cache_rows(p.cache, 0), {}};
  }
  if (p.cache.given()) {
    kCheck.absent("latent", p.latent, kOneCache);
    kCheck.absent("rope", p.rope, kOneCache);
    kCheck.rows("cache", p.cache, dtype, {kAnySize, config.page_size, r + config.rope_dim}, Access::kInput);
    return {cache_rows(p.cache, 0), cache_rows(p.cache, r)};
  }
  kCheck.given("latent", p.latent, kOneCache);
  kCheck.rows("latent", p.latent, dtype, {kAnySize, config.page_size, r}, Access::kInput);
  if (config.rope_dim == 0) {
    kCheck.absent("rope", p.rope, "the operator was made with rope_dim = 0");
    return {cache_rows(p.latent, 0), {}};
  }
  kCheck.rows("rope", p.rope, dtype, {p.latent.shape[0], config.page_size, config.rope_dim}, Access::kInput);
  return {cache_rows(p.latent, 0), cache_rows(p.rope, 0)};
}

struct PageList {
  const int* list;
  const int* begin;
  std::int64_t stride;
};

PageList check_pages(const MlaDecodeParams& p, std::int64_t batch) {
  if (p.block_table.given()) {
    kCheck.absent("kv_indptr", p.kv_indptr, kOnePageList);
    kCheck.absent("kv_indices", p.kv_indices, kOnePageList);
    kCheck.words("block_table", p.block_table, DType::kInt32, {batch, kAnySize}, Access::kInput);
    return {static_cast<const int*>(p.block_table.data), nullptr, p.block_table.strides[0]};
  }
  kCheck.given("kv_indptr", p.kv_indptr, kOnePageList);
  kCheck.vector("kv_indptr", p.kv_indptr, DType::kInt32, batch + 1);
  kCheck.vector("kv_indices", p.kv_indices, DType::kInt32, kAnySize);
  return {static_cast<const int*>(p.kv_indices.data), static_cast<const int*>(p.kv_indptr.data), 0};
}

void check_shards(const MlaDecodeParams& p, std::int64_t batch) {
  if (p.total_seq_lens.given()) kCheck.vector("total_seq_lens", p.total_seq_lens, DType::kInt32, batch);
  if (p.cp_world < 1 || p.cp_rank < 0 || p.cp_rank >= p.cp_world) [[unlikely]] {
    kCheck.fail(
        fmt::format("cp_rank is {} and cp_world {}; cp_world must be at least 1, and cp_rank from 0 to cp_world - 1",
                    p.cp_rank, p.cp_world));
  }
  if (p.cp_world > 1 && !p.total_seq_lens.given()) [[unlikely]] {
    kCheck.fail(
        fmt::format("cp_world is {} and total_seq_lens is not given; it must be the sequences' lengths over all "
                    "ranks, int32 [B]",
                    p.cp_world));
  }
}

void check_counts(std::int64_t batch, std::int64_t max_seqlen_q, std::int64_t heads) {
  if (heads < 1 || heads > kMaxHeads) [[unlikely]] {
    kCheck.fail(fmt::format("{} heads; 1 to {} are served: split them over several calls", heads, kMaxHeads));
  }
  // Rows and sequences are counted in 32 bits, with room for one more tile.
  if (!(Checked(max_seqlen_q) * heads).at_most(std::numeric_limits<int>::max() - 256)) [[unlikely]] {
    kCheck.fail(fmt::format(
        "{} queries per sequence x {} heads are more rows than 2^31 - 257: split the heads over several calls",
        max_seqlen_q, heads));
  }
  if (batch > std::numeric_limits<int>::max() / 64) [[unlikely]] {
    kCheck.fail(fmt::format("{} sequences; at most {} are served: split the batch", batch,
                            std::numeric_limits<int>::max() / 64));
  }
}

}  // namespace

void check_mla_decode_config(const MlaDecodeConfig& config) {
  const auto refuse = [](const std::string& message) { throw Error(Status::kUnsupported, "mla_decode: " + message); };
  constexpr std::pair<int, int> kDims[] = {{512, 64}, {256, 64}, {256, 32}, {512, 0}};
  if (std::ranges::find(kDims, std::pair(config.kv_lora_rank, config.rope_dim)) == std::end(kDims)) {
    refuse(fmt::format("kv_lora_rank is {} and rope_dim {}; (512, 64), (256, 64), (256, 32) and (512, 0) are served",
                       config.kv_lora_rank, config.rope_dim));
  }
  if (config.dtype != DType::kBFloat16 && config.dtype != DType::kFloat16) {
    refuse(
        fmt::format("dtype is {}; bfloat16 and float16 are served: convert q and the cache", to_string(config.dtype)));
  }
  const int format = static_cast<int>(config.cache_format);
  if (format < 0 || format > static_cast<int>(CacheFormat::kE4M3Rows)) {
    refuse(
        fmt::format("cache_format is {}; same (0), e4m3 (1) and e4m3_rows (2) are served: convert the cache", format));
  }
  if (config.cache_format == CacheFormat::kE4M3Rows && (config.kv_lora_rank != 512 || config.rope_dim != 64)) {
    refuse(
        fmt::format("cache_format e4m3_rows has rows of 656 bytes, for kv_lora_rank 512 and rope_dim 64, not {} and "
                    "{}: use e4m3 or same",
                    config.kv_lora_rank, config.rope_dim));
  }
  constexpr int kPageSizes[] = {1, 16, 32, 64, 128};
  if (std::ranges::find(kPageSizes, config.page_size) == std::end(kPageSizes)) {
    refuse(
        fmt::format("page_size is {}; 1, 16, 32, 64 and 128 are served: a larger page can be given as several of them",
                    config.page_size));
  }
  const DType out = config.out_dtype.value_or(config.dtype);
  if (out != config.dtype && out != DType::kFloat8E4M3) {
    refuse(fmt::format("out_dtype is {}; {} (the queries') and float8_e4m3 are served", to_string(out),
                       to_string(config.dtype)));
  }
}

void check_mla_decode_bounds(const MlaDecodeBounds& bounds) {
  kCheck.not_negative("batch", bounds.batch);
  kCheck.not_negative("max_seqlen_q", bounds.max_seqlen_q);
  check_counts(bounds.batch, bounds.max_seqlen_q, bounds.num_heads);
}

MlaDecodeCall check_mla_decode(const MlaDecodeConfig& config, const MlaDecodeParams& p) {
  const DType out_dtype = config.out_dtype.value_or(config.dtype);

  // ---- inputs: q defines B, s_q and H; for a packed batch seq_lens defines B
  const QueryShape shape(p, p.cu_seqlens_q.given());
  const Queries q = check_queries(config, p, shape);
  const Cache cache = check_cache(config, p);
  kCheck.vector("seq_lens", p.seq_lens, DType::kInt32, shape.packed() ? kAnySize : shape.batch());
  const std::int64_t batch = p.seq_lens.shape[0];
  std::int64_t max_seqlen_q = shape.tokens();
  if (shape.packed()) {
    kCheck.vector("cu_seqlens_q", p.cu_seqlens_q, DType::kInt32, batch + 1);
    kCheck.longest("max_seqlen_q", p.max_seqlen_q);
    // No sequence is longer than the tensor that holds it, whatever the caller's upper bound says.
    max_seqlen_q = std::min<std::int64_t>(p.max_seqlen_q, max_seqlen_q);
  }
  check_counts(batch, max_seqlen_q, shape.heads());
  const PageList pages = check_pages(p, batch);
  check_shards(p, batch);

  // ---- outputs
  shape.check_rows("out", p.out, out_dtype, config.kv_lora_rank, Access::kOutput);
  if (p.lse.given()) shape.check_lse(p.lse);
  if (out_dtype == DType::kFloat8E4M3) {
    kCheck.vector("out_scale", p.out_scale, DType::kFloat32, 1);
  } else {
    kCheck.absent("out_scale", p.out_scale, "it belongs to float8_e4m3 output");
  }

  MlaDecodeCall call{};
  call.params.q_nope = q.nope;
  call.params.q_pe = q.pe;
  call.params.latent = cache.latent;
  call.params.rope = cache.rope;
  call.params.cache_scale = static_cast<const float*>(p.cache_scale.data);
  call.params.page_list = pages.list;
  call.params.page_begin = pages.begin;
  call.params.page_list_stride = pages.stride;
  call.params.seq_lens = static_cast<const int*>(p.seq_lens.data);
  call.params.cu_seqlens_q = static_cast<const int*>(p.cu_seqlens_q.data);
  call.params.total_seq_lens = static_cast<const int*>(p.total_seq_lens.data);
  call.params.out_scale = static_cast<const float*>(p.out_scale.data);
  call.params.out = shape.rows_of<void*>(p.out, p.out.data);
  call.params.lse = shape.rows_of(p.lse, static_cast<float*>(p.lse.data));
  call.params.batch = static_cast<int>(batch);
  call.params.num_heads = static_cast<int>(shape.heads());
  call.params.max_seqlen_q = static_cast<int>(max_seqlen_q);
  call.params.cp_rank = p.cp_rank;
  call.params.cp_world = p.cp_world;
  call.params.softmax_scale_log2 = kCheck.softmax_scale_log2(p.softmax_scale);
  return call;
}

}  // namespace attnjit::runtime
