#include "verify/reference/cpu_kernels.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "verify/reference/cpu_attention.h"
#include "verify/reference/cpu_decode.h"
#include "verify/reference/cpu_merge.h"
#include "verify/reference/low_precision.h"

namespace attnjit::reference {
namespace {

/// SplitMix64 (Steele, Lea and Flood, 2014) and Box and Muller (1958), as in device/numbers.cuh.
float random_normal(u64 seed, u64 counter) {
  u64 z = seed + (counter + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  const double u = (static_cast<double>(z >> 40) + 1) * 0x1p-24;
  const double angle = static_cast<double>(z & 0xffffffu) * 0x1p-23 * std::numbers::pi;
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(angle));
}

template <class Visit>
void for_each_element(int tokens, int heads, int columns, const Visit& visit) {
  for (i64 token = 0; token < tokens; ++token) {
    for (i64 head = 0; head < heads; ++head) {
      for (i64 column = 0; column < columns; ++column) visit(token, head, column);
    }
  }
}

}  // namespace

void CpuKernels::reference(const AttentionParams& params, Element element, CUstream) const {
  reference_on_cpu(params, element);
}

void CpuKernels::yardstick(const AttentionParams& params, Element element, CUstream) const {
  yardstick_on_cpu(params, element);
}

void CpuKernels::decode_reference(const DecodeParams& params, Element element, CUstream) const {
  decode_reference_on_cpu(params, element);
}

void CpuKernels::decode_yardstick(const DecodeParams& params, Element element, CUstream) const {
  decode_yardstick_on_cpu(params, element);
}

void CpuKernels::merge(const MergeParams& params, CUstream) const { merge_on_cpu(params); }

void CpuKernels::fill(const FillParams& p, CUstream) const {
  for_each_element(p.tokens, p.heads, p.columns, [&](i64 token, i64 head, i64 column) {
    const i64 offset = token * p.token_stride + head * p.head_stride + column;
    const auto store_bits = [&](u32 bits) {
      const std::size_t bytes = p.element == Element::kFloat32 ? 4 : 2;
      std::memcpy(static_cast<char*>(p.data) + offset * static_cast<i64>(bytes), &bits, bytes);
    };
    switch (p.pattern) {
      case Pattern::kBits: store_bits(p.bits); return;
      case Pattern::kConsecutive: store_bits(static_cast<u32>((token * p.heads + head) * p.columns + column)); return;
      case Pattern::kNormal:
      case Pattern::kSameForAll:
      case Pattern::kSpikes: break;
    }
    // By address, not by index: where strides are 0, all writes to an address agree.
    const i64 counter = p.pattern == Pattern::kSameForAll ? offset - token * p.token_stride : offset;
    float value = p.mean + p.deviation * random_normal(p.seed, static_cast<u64>(counter));
    if (p.pattern == Pattern::kSpikes && token % p.period == p.period / 2) value = p.spike;
    store_bits(p.element == Element::kFloat32 ? std::bit_cast<u32>(value) : round_to_16bit(p.element, value));
  });
}

void CpuKernels::take(const TakeParams& p, CUstream) const {
  const auto bytes = static_cast<std::size_t>(p.element_bytes);
  char* to = static_cast<char*>(p.destination);
  for_each_element(p.tokens, p.heads, p.columns, [&](i64 token, i64 head, i64 column) {
    char* const from =
        static_cast<char*>(p.source) + (token * p.token_stride + head * p.head_stride + column) * p.element_bytes;
    std::memcpy(to, from, bytes);
    std::memcpy(from, &p.poison, bytes);
    to += bytes;
  });
}

void CpuKernels::count(const CountParams& p, CUstream) const {
  const auto bytes = static_cast<std::size_t>(p.element_bytes);
  for (i64 i = 0; i < p.elements; ++i) {
    if (std::memcmp(static_cast<const char*>(p.data) + i * p.element_bytes, &p.pattern, bytes) == 0) continue;
    if (p.result[0]++ == 0) p.result[1] = static_cast<u64>(i);
  }
}

void CpuKernels::scatter(const ScatterParams& p, CUstream) const {
  for (i64 row = 0; row < p.rows; ++row) {
    std::memcpy(p.destination + p.offsets[row], p.source + row * p.row_bytes, static_cast<std::size_t>(p.row_bytes));
  }
}

}  // namespace attnjit::reference
