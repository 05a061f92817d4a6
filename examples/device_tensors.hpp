// Device tensors for the C++ example programs, on top of device_memory.h: random inputs, outputs, readback.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <vector>

#include "attnjit/tensor.hpp"
#include "device_memory.h"

namespace examples {

/// Rounds to the nearest bfloat16, ties to even. Finite values only; the examples have no others.
inline std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// Sign, 4 exponent bits with bias 7, 3 mantissa bits; no infinities, and 0x7f is NaN.
inline float from_e4m3(std::uint8_t code) {
  const int exponent = code >> 3 & 15;
  const int mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                        : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

/// A GPU, if there is one, and the tensors created on it, which live as long as this object.
class Gpu {
 public:
  explicit Gpu(int ordinal = 0) : present_(device_memory_open(&memory_, ordinal) != 0) {}
  ~Gpu() {
    for (void* pointer : pointers_) device_free(&memory_, pointer);
  }
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  explicit operator bool() const { return present_; }

  void synchronize() const { device_check(memory_.synchronize(), "cuCtxSynchronize"); }

  /// bfloat16, normally distributed.
  attnjit::Tensor random(std::initializer_list<std::int64_t> shape) {
    attnjit::Tensor tensor = attnjit::Tensor::contiguous(nullptr, attnjit::DType::kBFloat16, shape);
    std::vector<std::uint16_t> values(static_cast<std::size_t>(tensor.elements()));
    std::normal_distribution<float> normal;
    for (std::uint16_t& value : values) value = to_bfloat16(normal(generator_));
    return upload(tensor, values);
  }

  attnjit::Tensor zeros(std::initializer_list<std::int64_t> shape, attnjit::DType dtype = attnjit::DType::kBFloat16) {
    attnjit::Tensor tensor = attnjit::Tensor::contiguous(nullptr, dtype, shape);
    return upload(tensor, std::vector<char>(bytes(tensor)));
  }

  attnjit::Tensor scalar(float value) {
    return upload(attnjit::Tensor::contiguous(nullptr, attnjit::DType::kFloat32, {1}), std::vector<float>{value});
  }
  attnjit::Tensor copy(const std::vector<std::int32_t>& values) {
    return upload(
        attnjit::Tensor::contiguous(nullptr, attnjit::DType::kInt32, {static_cast<std::int64_t>(values.size())}),
        values);
  }
  /// Elements of a dense bfloat16, float32 or float8 e4m3 tensor, read after all work on the device is done.
  std::vector<float> read(const attnjit::Tensor& tensor) const {
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    if (tensor.dtype == attnjit::DType::kFloat32) {
      device_download(&memory_, values.data(), tensor.data, bytes(tensor));
      return values;
    }
    if (tensor.dtype == attnjit::DType::kFloat8E4M3) {
      std::vector<std::uint8_t> codes(values.size());
      device_download(&memory_, codes.data(), tensor.data, bytes(tensor));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = from_e4m3(codes[i]);
      return values;
    }
    std::vector<std::uint16_t> halves(values.size());
    device_download(&memory_, halves.data(), tensor.data, bytes(tensor));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = from_bfloat16(halves[i]);
    return values;
  }

 private:
  static std::size_t bytes(const attnjit::Tensor& tensor) {
    return static_cast<std::size_t>(tensor.elements() * attnjit::size_in_bytes(tensor.dtype));
  }

  template <class T>
  attnjit::Tensor upload(attnjit::Tensor tensor, const std::vector<T>& values) {
    tensor.data = device_upload(&memory_, values.data(), bytes(tensor));
    pointers_.push_back(tensor.data);
    return tensor;
  }

  device_memory memory_{};
  bool present_;
  std::vector<void*> pointers_;
  std::minstd_rand generator_{20};  // the same inputs in every run
};

}  // namespace examples
