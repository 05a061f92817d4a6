// Arithmetic on sizes that a caller gives: what does not fit 64 bits is known, and never wraps.
#pragma once

#include <cstdint>

namespace attnjit::runtime {

/// A number of elements, bytes or CTAs, or the knowledge that it does not fit.
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
  /// Of a number that is not negative; how many pieces of `size` hold it.
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
