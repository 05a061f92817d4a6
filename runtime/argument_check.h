// Checks of tensor arguments that every operator makes, with errors that name tensor, dim and value. The good
// path is a handful of compares per tensor; every message is built out of line.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "attnjit/tensor.hpp"

namespace attnjit::runtime {

/// A dim that the caller chooses (it defines a size that others must match).
inline constexpr std::int64_t kAnySize = -1;
/// Sequences and tokens of a call. Kernels round them up, and look some ahead, in 32 bits.
inline constexpr std::int64_t kMostCounted = (std::int64_t{1} << 31) - 1024;

/// How rows of a tensor are read or written.
enum class Access { kInput, kOutput };

class ArgumentCheck {
 public:
  constexpr explicit ArgumentCheck(const char* operator_name) : operator_(operator_name) {}
  constexpr const char* operator_name() const { return operator_; }

  /// A tensor whose last dim is contiguous and whose rows start at multiples of 16 bytes; other strides >= 0,
  /// and > 0 for outputs.
  void rows(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
            Access access) const;
  /// The same where rows need no more than the alignment of their elements.
  void words(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
             Access access) const;
  /// A tensor with free strides, aligned to its elements.
  void elements(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
                Access access) const;
  /// A dense one-dimensional tensor.
  void vector(const char* name, const Tensor& t, DType dtype, std::int64_t size) const;
  void given(const char* name, const Tensor& t, const char* why) const;
  void absent(const char* name, const Tensor& t, const char* why) const;
  /// softmax_scale * log2(e), which kernels take.
  float softmax_scale_log2(float scale) const;
  void not_negative(const char* name, std::int64_t value) const;
  /// An upper bound of the sequences' lengths. One that was forgotten is -1, since 0 is a bound: of empty sequences.
  void longest(const char* name, std::int64_t value) const;
  /// Of sequences, tokens and the like, which kernels count in 32 bits.
  int count(const char* of_what, std::int64_t value) const;

  /// Throws Error(kInvalidArgument): "OPERATOR: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  /// False if the tensor is empty: then nothing else of it matters.
  bool layout(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape, Access access,
              std::int64_t alignment) const;
  void reaches_within_64_bits(const char* name, const Tensor& t) const;
  void elements_apart(const char* name, const Tensor& t) const;
  void contiguous_columns(const char* name, const Tensor& t) const;
  const char* operator_;
};

}  // namespace attnjit::runtime
