// Random numbers for the random cases.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace attnjit::gpu_tests {

inline constexpr std::uint64_t kDefaultSeed = 20261120;

/// Draws the same numbers everywhere: standard distributions may differ between libraries, standard generators do not.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : generator_(seed) {}

  int below(int n) { return static_cast<int>(generator_() % static_cast<std::uint64_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(static_cast<int>(choices.size()))];
  }
  std::uint64_t bits() { return generator_(); }

 private:
  std::mt19937_64 generator_;
};

}  // namespace attnjit::gpu_tests
