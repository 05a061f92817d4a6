// Overflow-safe arithmetic on caller-supplied sizes: a result that does not fit in 64 bits is marked, never wrapped.
#pragma once

#include <cstdint>

namespace attnjit::runtime {

/// A number of elements, bytes or CTAs, or the fact that it does not fit.
class Checked {
 public:
  constexpr Checked(std::int64_t value) : value_(value) {}  // NOLINT: any number may take part

  friend constexpr Checked operator*(Checked a, Checked b) {
    Checked result(0);
    result.fits_ = !__builtin_mul_overflow(a.value_, b.value_, &result.value_) && a.fits_ && b.fits_;
    return result;
  }
  friend constexpr Checked operator+(Checked a, Checked b) {
    Checked result(0);
    result.fits_ = !__builtin_add_overflow(a.value_, b.value_, &result.value_) && a.fits_ && b.fits_;
    return result;
  }
  /// How many pieces of `size` hold this non-negative number.
  constexpr Checked pieces_of(std::int64_t size) const {
    Checked result(value_ / size + (value_ % size != 0 ? 1 : 0));
    result.fits_ = fits_;
    return result;
  }

  constexpr bool fits() const { return fits_; }
  constexpr bool at_most(std::int64_t most) const { return fits_ && value_ <= most; }
  /// Meaningless unless fits().
  constexpr std::int64_t value() const { return value_; }

 private:
  std::int64_t value_;
  bool fits_ = true;
};

}  // namespace attnjit::runtime
