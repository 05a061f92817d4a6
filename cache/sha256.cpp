#include "cache/sha256.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <immintrin.h>
#define ATTNJIT_HAS_X86 1
#endif

namespace attnjit::cache {
namespace {

// FIPS 180-4, 4.2.2.
alignas(16) constexpr std::uint32_t kConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t big_endian(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// 6.2.2, with the standard's names.
void compress_portably(Sha256::State& state, const unsigned char* blocks, std::size_t count) {
  for (; count > 0; --count, blocks += 64) {
    std::uint32_t w[64];
    for (int t = 0; t < 16; ++t) w[t] = big_endian(blocks + 4 * t);
    for (int t = 16; t < 64; ++t) {
      const std::uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
      const std::uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int t = 0; t < 64; ++t) {
      const std::uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const std::uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + kConstants[t] + w[t];
      const std::uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const std::uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::uint32_t next[] = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += next[i];
  }
}

#ifdef ATTNJIT_HAS_X86

#define ATTNJIT_SHA __attribute__((target("sha,sse4.1")))

ATTNJIT_SHA inline __m128i load_words(const unsigned char* bytes) {
  const __m128i reverse_each_word = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)), reverse_each_word);
}

/// W[t .. t+3] from the four preceding vectors: W[t-16..], W[t-12..], W[t-8..], W[t-4..].
ATTNJIT_SHA inline __m128i next_words(__m128i w16, __m128i w12, __m128i w8, __m128i w4) {
  const __m128i with_s0 = _mm_sha256msg1_epu32(w16, w12);
  const __m128i with_w7 = _mm_add_epi32(with_s0, _mm_alignr_epi8(w4, w8, 4));
  return _mm_sha256msg2_epu32(with_w7, w4);
}

// The instructions keep the state as (A, B, E, F) and (C, D, G, H), the first of each in the highest word. Each does
// two rounds with two words of W + K and returns the new (A, B, E, F); the old one is the new (C, D, G, H).
ATTNJIT_SHA void compress_by_x86(Sha256::State& state, const unsigned char* blocks, std::size_t count) {
  __m128i abef = _mm_set_epi32(static_cast<int>(state[0]), static_cast<int>(state[1]), static_cast<int>(state[4]),
                               static_cast<int>(state[5]));
  __m128i cdgh = _mm_set_epi32(static_cast<int>(state[2]), static_cast<int>(state[3]), static_cast<int>(state[6]),
                               static_cast<int>(state[7]));
  for (; count > 0; --count, blocks += 64) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      __m128i& words = w[group % 4];
      words = group < 4 ? load_words(blocks + 16 * group)
                        : next_words(words, w[(group + 1) % 4], w[(group + 2) % 4], w[(group + 3) % 4]);
      const __m128i sum =
          _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(kConstants + 4 * group)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  alignas(16) std::uint32_t words[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(words), abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(words + 4), cdgh);
  state = {words[3], words[2], words[7], words[6], words[1], words[0], words[5], words[4]};
}

bool processor_has_sha() {
  // Not __builtin_cpu_supports(): not all current compilers know "sha".
  constexpr unsigned kSsse3 = 1u << 9;
  constexpr unsigned kSse41 = 1u << 19;
  constexpr unsigned kSha = 1u << 29;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kSsse3) || !(c & kSse41)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & kSha);
}

#endif

}  // namespace

Sha256::Compress Sha256::portable() { return compress_portably; }

Sha256::Compress Sha256::of_x86() {
#ifdef ATTNJIT_HAS_X86
  // Not a function-local constant, whose initialization takes a lock; detecting twice is harmless.
  static constinit std::atomic<int> known{0};
  int has_it = known.load(std::memory_order_relaxed);
  if (has_it == 0) known.store(has_it = processor_has_sha() ? 1 : -1, std::memory_order_relaxed);
  if (has_it > 0) return compress_by_x86;
#endif
  return nullptr;
}

Sha256::Compress Sha256::fastest() {
  const Compress special = of_x86();
  return special != nullptr ? special : portable();
}

void Sha256::write(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t size = bytes.size();
  const std::size_t kept = written_ % kBlock;
  written_ += size;
  if (kept != 0) {
    const std::size_t more = std::min(size, kBlock - kept);
    std::memcpy(rest_.data() + kept, data, more);
    data += more;
    size -= more;
    if (kept + more < kBlock) return;
    compress_(state_, rest_.data(), 1);
  }
  compress_(state_, data, size / kBlock);
  std::memcpy(rest_.data(), data + size / kBlock * kBlock, size % kBlock);
}

std::array<std::uint8_t, 32> Sha256::finish() {
  const std::uint64_t bits = 8 * written_;
  // 5.1.1: a one bit, zeros up to 8 bytes before the end of a block, the length.
  char end[kBlock + 8] = {'\x80'};
  const std::size_t zeros_end = (2 * kBlock - 8 - 1 - written_ % kBlock) % kBlock + 1;
  for (int i = 0; i < 8; ++i) end[zeros_end + static_cast<std::size_t>(i)] = static_cast<char>(bits >> (56 - 8 * i));
  write({end, zeros_end + 8});
  std::array<std::uint8_t, 32> digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

}  // namespace attnjit::cache
