// Random numbers for the scheduler: needed at every switch, so only a few instructions; the same on every machine.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace attnjit::emulator {

/// xorshift64* (Vigna, 2016).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_((seed + 1) * 0x9e3779b97f4a7c15ull | 1) {}

  std::uint32_t bits() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>(state_ * 0x2545f4914f6cdd1dull >> 32);
  }
  /// From 0 to count - 1.
  std::uint32_t below(std::uint32_t count) { return static_cast<std::uint32_t>(std::uint64_t{bits()} * count >> 32); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }

  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1], values[below(static_cast<std::uint32_t>(i))]);
    }
  }

 private:
  std::uint64_t state_;
};

}  // namespace attnjit::emulator
