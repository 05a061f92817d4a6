// SHA-256 (FIPS 180-4), using the CPU's own instructions where available. Internal to cache/.
//
// Key digests and row checksums are all the computation of a warm start: 2 MB for 26 kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attnjit::cache {

/// A digest in progress.
class Sha256 {
 public:
  using State = std::array<std::uint32_t, 8>;
  /// Adds `count` blocks of 64 bytes to the state.
  using Compress = void (*)(State& state, const unsigned char* blocks, std::size_t count);

  Sha256() : Sha256(fastest()) {}
  /// Uses one of the functions below; the caller must know that this CPU supports it.
  explicit Sha256(Compress compress) : compress_(compress) {}

  void write(std::string_view bytes);
  /// Finishes; nothing may be written afterwards.
  std::array<std::uint8_t, 32> finish();

  static Compress portable();
  /// Uses x86's SHA instructions; nullptr if the CPU or the compiler's target lacks them.
  static Compress of_x86();
  static Compress fastest();

 private:
  static constexpr std::size_t kBlock = 64;

  Compress compress_;
  State state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, kBlock> rest_{};  // an incomplete block
  std::uint64_t written_ = 0;                 // bytes
};

}  // namespace attnjit::cache
