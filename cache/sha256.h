// SHA-256 (FIPS 180-4), by the processor's own instructions where it has them. Internal to cache/.
//
// The digests of keys and the checksums of rows are all that a warm start computes: 2 MB for 26 kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attnjit::cache {

/// One digest under way.
class Sha256 {
 public:
  using State = std::array<std::uint32_t, 8>;
  /// Puts `count` blocks of 64 bytes into the state.
  using Compress = void (*)(State& state, const unsigned char* blocks, std::size_t count);

  Sha256() : Sha256(fastest()) {}
  /// With one of those below; the caller knows that this processor has it.
  explicit Sha256(Compress compress) : compress_(compress) {}

  void write(std::string_view bytes);
  /// Ends it; nothing may be written afterwards.
  std::array<std::uint8_t, 32> finish();

  static Compress portable();
  /// That of x86's SHA instructions; nullptr where the processor, or the compiler's target, lacks them.
  static Compress of_x86();
  static Compress fastest();

 private:
  static constexpr std::size_t kBlock = 64;

  Compress compress_;
  State state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, kBlock> rest_{};  // what makes no whole block yet
  std::uint64_t written_ = 0;                 // bytes
};

}  // namespace attnjit::cache
