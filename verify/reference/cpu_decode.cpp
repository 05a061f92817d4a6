#include "verify/reference/cpu_decode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

float read_16bit(Element element, const u8* from) {
  u16 bits;
  std::memcpy(&bits, from, sizeof bits);
  return float_from_16bit(element, bits);
}

/// All columns of a key, dequantized.
template <class Real>
std::vector<Real> read_key(const DecodeParams& p, Element element, int sequence, int key) {
  const i64 page = p.page_list[p.page_begin[sequence] + key / p.page_size];
  const i64 slot = key % p.page_size;
  const i64 bytes = p.format == CacheRowFormat::k16Bit ? 2 : 1;
  const auto row = [&](const PagedRows& rows) {
    return static_cast<const u8*>(rows.data) + (page * rows.page_stride + slot * rows.slot_stride) * bytes;
  };
  std::vector<Real> values;
  const auto append = [&](const u8* from, int columns) {
    for (int c = 0; c < columns; ++c) {
      values.push_back(p.format == CacheRowFormat::k16Bit ? Real(read_16bit(element, from + 2 * c))
                                                          : Real(float_from_e4m3(from[c])) * Real(p.cache_scale));
    }
  };
  if (p.format != CacheRowFormat::k656Bytes) {
    append(row(p.latent), p.latent_columns);
    if (p.rope_columns > 0) append(row(p.rope), p.rope_columns);
    return values;
  }
  const u8* const codes = row(p.latent);
  const u8* const scales = codes + 512;
  const u8* const rope = scales + 16;
  const auto rounded = [&](float value) { return float_from_16bit(element, round_to_16bit(element, value)); };
  for (int c = 0; c < 512; ++c) {
    float scale;
    std::memcpy(&scale, scales + c / 128 * 4, sizeof scale);
    values.push_back(rounded(float_from_e4m3(codes[c]) * scale));
  }
  for (int c = 0; c < 64; ++c) values.push_back(rounded(read_16bit(Element::kBFloat16, rope + 2 * c)));
  return values;
}

template <class Real>
struct RowResult {
  std::vector<Real> out;
  Real lse = -std::numeric_limits<Real>::infinity();
  Real magnitude = 0;
};

/// `round` is applied to each probability before it is multiplied by the values.
template <class Real, class Round>
RowResult<Real> attend(const DecodeParams& p, Element element, int sequence, int token, int head, const Round& round) {
  const i64 query = token - p.cu_seqlens_q[sequence];
  const i64 len_q = p.cu_seqlens_q[sequence + 1] - p.cu_seqlens_q[sequence];
  std::vector<Real> q;
  const auto append = [&](const Rows& rows, int columns) {
    const u16* const row = static_cast<const u16*>(rows.data) + token * rows.token_stride + head * rows.head_stride;
    for (int c = 0; c < columns; ++c) q.push_back(float_from_16bit(element, row[c]));
  };
  append(p.q_nope, p.latent_columns);
  if (p.rope_columns > 0) append(p.q_pe, p.rope_columns);

  RowResult<Real> result;
  result.out.assign(p.latent_columns, 0);
  std::vector<Real> scores;
  std::vector<std::vector<Real>> keys;
  const Real scale = p.softmax_scale;
  for (int key = 0; key < p.seq_lens[sequence]; ++key) {
    const i64 global = static_cast<i64>(key) * p.cp_world + p.cp_rank;
    if (p.causal && global > query + p.total_seq_lens[sequence] - len_q) break;
    keys.push_back(read_key<Real>(p, element, sequence, key));
    Real dot = 0;
    Real absolute = 0;
    for (std::size_t d = 0; d < q.size(); ++d) {
      dot = std::fma(q[d], keys.back()[d], dot);
      absolute = std::fma(std::fabs(q[d]), std::fabs(keys.back()[d]), absolute);
    }
    scores.push_back(dot * scale);
    result.magnitude = std::max(result.magnitude, absolute * scale);
  }
  if (scores.empty()) return result;
  const Real row_max = *std::max_element(scores.begin(), scores.end());
  Real sum = 0;
  for (const Real score : scores) sum += std::exp(score - row_max);
  for (std::size_t key = 0; key < scores.size(); ++key) {
    const Real probability = round(std::exp(scores[key] - row_max) / sum);
    for (int c = 0; c < p.latent_columns; ++c) result.out[c] = std::fma(probability, keys[key][c], result.out[c]);
  }
  result.lse = row_max + std::log(sum);
  return result;
}

template <class Visit>
void for_each_row(const DecodeParams& p, const Visit& visit) {
  for (int sequence = 0; sequence < p.batch; ++sequence) {
    for (int token = p.cu_seqlens_q[sequence]; token < p.cu_seqlens_q[sequence + 1]; ++token) {
      for (int head = 0; head < p.heads; ++head) visit(sequence, token, head, static_cast<i64>(token) * p.heads + head);
    }
  }
}

}  // namespace

void decode_reference_on_cpu(const DecodeParams& params, Element element) {
  for_each_row(params, [&](int sequence, int token, int head, i64 index) {
    const auto unrounded = [](double probability) { return probability; };
    const auto row = attend<double>(params, element, sequence, token, head, unrounded);
    std::copy(row.out.begin(), row.out.end(), params.out + index * params.latent_columns);
    params.lse[index] = row.lse;
    params.magnitude[index] = row.magnitude;
  });
}

void decode_yardstick_on_cpu(const DecodeParams& params, Element element) {
  for_each_row(params, [&](int sequence, int token, int head, i64 index) {
    const auto rounded = [&](float probability) {
      return float_from_16bit(element, round_to_16bit(element, probability));
    };
    const auto row = attend<float>(params, element, sequence, token, head, rounded);
    std::copy(row.out.begin(), row.out.end(), params.yardstick_out + index * params.latent_columns);
  });
}

}  // namespace attnjit::reference
