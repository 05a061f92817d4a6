#include "verify/reference/cpu_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

/// One row of a tensor as numbers, its two column ranges side by side.
template <class Real>
std::vector<Real> read_row(Element element, const Rows& nope, int nope_columns, const Rows& pe, int pe_columns,
                           i64 token, i64 head) {
  std::vector<Real> row;
  const auto append = [&](const Rows& rows, int columns) {
    for (int column = 0; column < columns; ++column) {
      const u16* const data = static_cast<const u16*>(rows.data);
      row.push_back(float_from_16bit(element, data[token * rows.token_stride + head * rows.head_stride + column]));
    }
  };
  append(nope, nope_columns);
  append(pe, pe_columns);
  return row;
}

/// Result of one (query row, head).
template <class Real>
struct RowResult {
  std::vector<Real> out;
  Real lse = -std::numeric_limits<Real>::infinity();
  Real magnitude = 0;
};

/// `round` is applied to each probability before it is multiplied by V.
template <class Real, class Round>
RowResult<Real> attend(const AttentionParams& p, Element element, int sequence, int token, int head,
                       const Round& round) {
  const int row = token - p.cu_seqlens_q[sequence];
  const int len_q = p.cu_seqlens_q[sequence + 1] - p.cu_seqlens_q[sequence];
  const int first_key = p.cu_seqlens_k[sequence];
  const int len_k = p.cu_seqlens_k[sequence + 1] - first_key;
  const int kv_head = head / p.qhead_per_kvhead;
  const Real scale = p.softmax_scale;

  const std::vector<Real> q = read_row<Real>(element, p.q_nope, p.nope_columns, p.q_pe, p.pe_columns, token, head);
  std::vector<Real> scores;
  std::vector<int> keys;  // parallel to scores
  RowResult<Real> result;
  for (int key = 0; key < len_k; ++key) {
    if (p.causal && key > row + len_k - len_q) break;
    if (p.visible != nullptr && p.visible[token * p.visible_stride + key] == 0) continue;
    const std::vector<Real> k =
        read_row<Real>(element, p.k_nope, p.nope_columns, p.k_pe, p.pe_columns, first_key + key, kv_head);
    Real dot = 0;
    Real absolute = 0;
    for (std::size_t d = 0; d < q.size(); ++d) {
      dot = std::fma(q[d], k[d], dot);
      absolute = std::fma(std::fabs(q[d]), std::fabs(k[d]), absolute);
    }
    scores.push_back(dot * scale);
    keys.push_back(key);
    result.magnitude = std::max(result.magnitude, absolute * scale);
  }

  result.out.assign(p.v_columns, 0);
  if (scores.empty()) return result;
  const Real row_max = *std::max_element(scores.begin(), scores.end());
  Real sum = 0;
  for (const Real score : scores) sum += std::exp(score - row_max);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const Real probability = round(std::exp(scores[i] - row_max) / sum);
    const std::vector<Real> v = read_row<Real>(element, p.v, p.v_columns, {}, 0, first_key + keys[i], kv_head);
    for (int column = 0; column < p.v_columns; ++column) {
      result.out[column] = std::fma(probability, v[column], result.out[column]);
    }
  }
  result.lse = row_max + std::log(sum);
  return result;
}

template <class Visit>
void for_each_row(const AttentionParams& p, const Visit& visit) {
  for (int sequence = 0; sequence < p.batch; ++sequence) {
    for (int token = p.cu_seqlens_q[sequence]; token < p.cu_seqlens_q[sequence + 1]; ++token) {
      for (int head = 0; head < p.heads; ++head) {
        visit(sequence, token, head, static_cast<i64>(token) * p.heads + head);
      }
    }
  }
}

}  // namespace

void reference_on_cpu(const AttentionParams& params, Element element) {
  for_each_row(params, [&](int sequence, int token, int head, i64 index) {
    const auto unrounded = [](double probability) { return probability; };
    const auto row = attend<double>(params, element, sequence, token, head, unrounded);
    std::copy(row.out.begin(), row.out.end(), params.out + index * params.v_columns);
    params.lse[index] = row.lse;
    params.magnitude[index] = row.magnitude;
  });
}

void yardstick_on_cpu(const AttentionParams& params, Element element) {
  for_each_row(params, [&](int sequence, int token, int head, i64 index) {
    const auto rounded = [&](float probability) {
      return float_from_16bit(element, round_to_16bit(element, probability));
    };
    const auto row = attend<float>(params, element, sequence, token, head, rounded);
    std::copy(row.out.begin(), row.out.end(), params.yardstick_out + index * params.v_columns);
  });
}

}  // namespace attnjit::reference
