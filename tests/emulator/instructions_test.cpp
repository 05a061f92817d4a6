// The emulator's versions of instructions against plain loops and against the tests' own number types.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/e4m3.cuh"
#include "ptx/convert.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/math.cuh"
#include "ptx/memory.cuh"
#include "ptx/mma.cuh"
#include "tests/emulator/planted.h"
#include "verify/reference/low_precision.h"

namespace attnjit::emulator_tests {
namespace {

using namespace kernel;  // NOLINT: what follows is kernel text
using emulator::Grid;

constexpr Grid kOneWarp{.ctas = 1, .threads = 32, .smem_bytes = 4096};

// ---- numbers: values of every 16-bit pattern, and the midpoints between neighbours ---------------------------------

template <Element kElement>
void check_16bit() {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float want = reference::float_from_16bit(kElement, static_cast<std::uint16_t>(bits));
    const float got = emulated::float_of_16bit<kElement>(bits);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
      EXPECT_EQ(pack_16bit<kElement>(got, 0.f), 0x7fffu);
      continue;
    }
    EXPECT_EQ(want, got) << bits;
    const float next = reference::float_from_16bit(kElement, static_cast<std::uint16_t>(bits ^ 1));
    for (const float value : {want, want * 0.5f + next * 0.5f, std::nextafter(want * 0.5f + next * 0.5f, 0.f),
                              std::nextafter(want * 0.5f + next * 0.5f, std::numeric_limits<float>::infinity())}) {
      if (std::isnan(value)) continue;
      EXPECT_EQ(pack_16bit<kElement>(value, -value) & 0xffffu, reference::round_to_16bit(kElement, value)) << value;
      EXPECT_EQ(pack_16bit<kElement>(value, -value) >> 16, reference::round_to_16bit(kElement, -value)) << value;
    }
  }
}

TEST(Numbers, Bf16) { check_16bit<Element::kBFloat16>(); }
TEST(Numbers, F16) { check_16bit<Element::kFloat16>(); }

TEST(Numbers, E4M3ByInstructionAndByIntegerCode) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = float_of(bits << 16);  // every bf16: every code, every tie
    const std::uint8_t want = reference::e4m3_from_double(value);
    EXPECT_EQ(pack_e4m3<true>(value, 0.f) & 0xff, want) << value;
    EXPECT_EQ(pack_e4m3<false>(value, 0.f) & 0xff, want) << value;
    EXPECT_EQ(pack_e4m3<true>(0.f, value) >> 8, want) << value;
  }
}

TEST(Numbers, SpecialFunctionsFlushDenormalsAndKeepNaN) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(exp2_approx(-infinity), 0.f);
  EXPECT_EQ(exp2_approx(-130.f), 0.f);
  EXPECT_EQ(exp2_approx(3.f), 8.f);
  EXPECT_EQ(log2_approx(1e-40f), -infinity);
  EXPECT_EQ(reciprocal_approx(1e-40f), infinity);
  EXPECT_EQ(max_float(std::nanf(""), 1.f), 1.f);
  EXPECT_EQ(max_float(1.f, std::nanf("")), 1.f);
  EXPECT_TRUE(std::isnan(max_float(std::nanf(""), std::nanf(""))));
  EXPECT_TRUE(std::isnan(exp2_approx(std::nanf(""))));
}

// ---- warp-wide ----------------------------------------------------------------------------------------------------

struct Tiles {
  const std::uint16_t* matrix = nullptr;    // [16][16], row-major
  std::uint32_t (*fragments)[4] = nullptr;  // [lane][4]
  float* shuffled = nullptr;                // [lane]
};

template <bool kTranspose>
void load_fragments(const Tiles& p) {
  const u32 first = shared_address(machine().shared);
  const int lane = thread_index();
  for (int i = lane; i < 256; i += 32) store_shared(first + static_cast<u32>(i) * 2, p.matrix[i]);
  sync_warp();
  u32 r[4];
  const u32 row = first + static_cast<u32>(lane % 16 * 32 + lane / 16 * 16);
  if constexpr (kTranspose) {
    ldmatrix_x4_trans(r, row);
  } else {
    ldmatrix_x4(r, row);
  }
  std::memcpy(p.fragments[lane], r, sizeof(r));
}

TEST(Instructions, LdmatrixGivesTheFragmentsOfMma) {
  std::vector<std::uint16_t> matrix(256);
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<std::uint16_t>(i);
  std::uint32_t fragments[32][4];
  ASSERT_FALSE((run_planted<Tiles, load_fragments<false>>({matrix.data(), fragments, nullptr}, kOneWarp)));
  // PTX ISA, fragment A of m16n8k16.
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned element = (lane / 4 + i % 2 * 8) * 16 + lane % 4 * 2 + i / 2 * 8;
      EXPECT_EQ(fragments[lane][i], (element + 1) << 16 | element) << lane << " " << i;
    }
  }
  ASSERT_FALSE((run_planted<Tiles, load_fragments<true>>({matrix.data(), fragments, nullptr}, kOneWarp)));
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned element = (lane % 4 * 2 + i % 2 * 8) * 16 + lane / 4 + i / 2 * 8;
      EXPECT_EQ(fragments[lane][i], (element + 16) << 16 | element) << lane << " " << i;
    }
  }
}

/// Stores every lane's mma fragments from p.fragments as a [16][16] matrix to p.stored.
struct StoredTiles {
  const std::uint32_t (*fragments)[4] = nullptr;
  std::uint16_t* stored = nullptr;
};
void store_fragments(const StoredTiles& p) {
  const u32 first = shared_address(machine().shared);
  const int lane = thread_index();
  stmatrix_x4(first + static_cast<u32>(lane % 16 * 32 + lane / 16 * 16),
              {p.fragments[lane][0], p.fragments[lane][1], p.fragments[lane][2], p.fragments[lane][3]});
  sync_warp();
  for (int i = lane; i < 128; i += 32) {
    const u32 pair = load_shared(first + static_cast<u32>(i) * 4);
    std::memcpy(p.stored + 2 * i, &pair, 4);
  }
}

TEST(Instructions, StmatrixStoresTheFragmentsOfMma) {
  std::uint32_t fragments[32][4];
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned element = (lane / 4 + i % 2 * 8) * 16 + lane % 4 * 2 + i / 2 * 8;
      fragments[lane][i] = (element + 1) << 16 | element;
    }
  }
  std::vector<std::uint16_t> stored(256, 0xffff);
  ASSERT_FALSE((run_planted<StoredTiles, store_fragments>({fragments, stored.data()}, kOneWarp)));
  for (std::size_t i = 0; i < stored.size(); ++i) EXPECT_EQ(stored[i], i);
}

struct Product {
  const std::uint16_t* a = nullptr;  // [16][16]
  const std::uint16_t* b = nullptr;  // [16][8]
  float* d = nullptr;                // [16][8]
};

template <Element kElement>
void multiply(const Product& p) {
  const int lane = thread_index();
  const auto pair = [](u32 low, u32 high) { return high << 16 | low; };
  u32 a[4];
  for (int i = 0; i < 4; ++i) {
    const std::uint16_t* const from = p.a + (lane / 4 + i % 2 * 8) * 16 + lane % 4 * 2 + i / 2 * 8;
    a[i] = pair(from[0], from[1]);
  }
  u32 b[2];
  for (int i = 0; i < 2; ++i) {
    const std::uint16_t* const from = p.b + (lane % 4 * 2 + i * 8) * 8 + lane / 4;
    b[i] = pair(from[0], from[8]);
  }
  float d[4];
  for (int i = 0; i < 4; ++i) d[i] = p.d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2];
  mma_m16n8k16<kElement>(d, a, b[0], b[1]);
  for (int i = 0; i < 4; ++i) p.d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

template <Element kElement>
void check_product() {
  std::vector<std::uint16_t> a(256), b(128);
  std::vector<float> d(128), want(128);
  const auto number = [](std::size_t i) { return static_cast<float>(static_cast<int>(i * 37 % 101) - 50) * 0.125f; };
  for (std::size_t i = 0; i < 256; ++i) a[i] = reference::round_to_16bit(kElement, number(i));
  for (std::size_t i = 0; i < 128; ++i) b[i] = reference::round_to_16bit(kElement, number(i + 7));
  for (std::size_t i = 0; i < 128; ++i) d[i] = want[i] = number(i + 11);
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      for (std::size_t k = 0; k < 16; ++k) {
        want[row * 8 + column] += reference::float_from_16bit(kElement, a[row * 16 + k]) *
                                  reference::float_from_16bit(kElement, b[k * 8 + column]);
      }
    }
  }
  ASSERT_FALSE((run_planted<Product, multiply<kElement>>({a.data(), b.data(), d.data()}, kOneWarp)));
  EXPECT_EQ(d, want);  // all of it is exact in float32
}

TEST(Instructions, MmaBf16) { check_product<Element::kBFloat16>(); }
TEST(Instructions, MmaF16) { check_product<Element::kFloat16>(); }

void shuffle(const Tiles& p) { p.shuffled[thread_index()] = shuffle_xor(static_cast<float>(thread_index()), 5); }

TEST(Instructions, ShuffleXor) {
  std::array<float, 32> out{};
  ASSERT_FALSE((run_planted<Tiles, shuffle>({nullptr, nullptr, out.data()}, kOneWarp)));
  for (int lane = 0; lane < 32; ++lane) EXPECT_EQ(out[static_cast<std::size_t>(lane)], static_cast<float>(lane ^ 5));
}

void set_bits(const Tiles& p) {
  const u32 words = shared_address(machine().shared);
  const int lane = thread_index();
  if (lane < 2) store_shared(words + static_cast<u32>(lane) * 4, u32{0});
  sync_warp();
  atomic_or_shared(words + static_cast<u32>(lane % 2) * 4, 1u << lane);
  sync_warp();
  p.fragments[lane][0] = load_shared(words + static_cast<u32>(lane % 2) * 4);
  p.fragments[lane][1] = ballot(lane % 3 == 0);
  p.fragments[lane][2] = funnel_right(0x12345678u, 0x9abcdef0u, static_cast<u32>(lane));
  p.fragments[lane][3] =
      static_cast<u32>(highest_bit(lane == 0 ? 0u : (2u << lane) - 1)) << 16 | static_cast<u32>(lowest_bit(1u << lane));
}

TEST(Instructions, BitsOfWordsAndOfAWarp) {
  std::uint32_t results[32][4];
  ASSERT_FALSE((run_planted<Tiles, set_bits>({nullptr, results, nullptr}, kOneWarp, {.race_check = true})));
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(results[lane][0], lane % 2 == 0 ? 0x55555555u : 0xaaaaaaaau);
    EXPECT_EQ(results[lane][1], 0x49249249u);
    EXPECT_EQ(results[lane][2], static_cast<std::uint32_t>(0x9abcdef012345678ull >> lane)) << lane;
    EXPECT_EQ(results[lane][3], (lane == 0 ? 0xffffu : lane) << 16 | lane) << lane;
  }
}

}  // namespace
}  // namespace attnjit::emulator_tests
