// Tensor checks shared by all operators, with errors that name tensor, dim and value. The success path is a handful of
// compares per tensor; messages are built out of line.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "attnjit/tensor.hpp"

namespace attnjit::runtime {

/// A dim that the caller chooses; other dims must match it.
inline constexpr std::int64_t kAnySize = -1;
/// Most sequences and tokens per call. Kernels round counts up and look a little ahead, in 32 bits.
inline constexpr std::int64_t kMostCounted = (std::int64_t{1} << 31) - 1024;

/// Whether a tensor's rows are read or written.
enum class Access { kInput, kOutput };

class ArgumentCheck {
 public:
  constexpr explicit ArgumentCheck(const char* operator_name) : operator_(operator_name) {}
  constexpr const char* operator_name() const { return operator_; }

  /// A tensor whose last dim is contiguous and whose rows are 16-byte aligned; other strides must be >= 0, and > 0 for
  /// outputs.
  void rows(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
            Access access) const;
  /// The same, but rows need only the alignment of their elements.
  void words(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
             Access access) const;
  /// A tensor with arbitrary strides, aligned to its elements.
  void elements(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
                Access access) const;
  /// A dense one-dimensional tensor.
  void vector(const char* name, const Tensor& t, DType dtype, std::int64_t size) const;
  void given(const char* name, const Tensor& t, const char* why) const;
  void absent(const char* name, const Tensor& t, const char* why) const;
  /// softmax_scale * log2(e), the form kernels use.
  float softmax_scale_log2(float scale) const;
  void not_negative(const char* name, std::int64_t value) const;
  /// Checks an upper bound of the sequence lengths. -1 means the caller forgot it; 0 is a valid bound (all sequences
  /// empty).
  void longest(const char* name, std::int64_t value) const;
  /// Checks a number of sequences, tokens and the like, which kernels count in 32 bits.
  int count(const char* of_what, std::int64_t value) const;

  /// Throws Error(kInvalidArgument): "OPERATOR: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  /// False if the tensor is empty: then the rest need not be checked.
  bool layout(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape, Access access,
              std::int64_t alignment) const;
  void reaches_within_64_bits(const char* name, const Tensor& t) const;
  void elements_apart(const char* name, const Tensor& t) const;
  void contiguous_columns(const char* name, const Tensor& t) const;
  const char* operator_;
};

}  // namespace attnjit::runtime
