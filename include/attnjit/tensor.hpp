// A non-owning view of a tensor in device memory.
#pragma once

#include <dlpack/dlpack.h>

#include <array>
#include <cstdint>
#include <initializer_list>

#include "attnjit/export.h"

namespace attnjit {

enum class DType : int {
  kFloat16 = 0,
  kBFloat16 = 1,
  kFloat8E4M3 = 2,  ///< OCP e4m3, finite only ("fn"): torch.float8_e4m3fn
  kFloat32 = 3,
  kInt32 = 4,
};

ATTNJIT_API const char* to_string(DType dtype) noexcept;  ///< "float16", "bfloat16", "float8_e4m3", ...
ATTNJIT_API int size_in_bytes(DType dtype) noexcept;

/// Pointer, dtype, shape and strides of a tensor in device memory. Strides are in elements; for inputs they may be 0. A
/// default-constructed view means "not given".
struct Tensor {
  static constexpr int kMaxRank = 4;

  void* data = nullptr;
  DType dtype = DType::kBFloat16;
  int rank = 0;
  std::array<std::int64_t, kMaxRank> shape{};
  std::array<std::int64_t, kMaxRank> strides{};

  /// True if the caller gave this tensor (an empty tensor may have a null pointer).
  bool given() const noexcept { return rank != 0; }
  std::int64_t elements() const noexcept {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }

  /// A row-major tensor. Throws attnjit::Error for more than kMaxRank dims.
  ATTNJIT_API static Tensor contiguous(const void* data, DType dtype, std::initializer_list<std::int64_t> shape);
  /// A tensor with explicit strides, in elements.
  ATTNJIT_API static Tensor strided(const void* data, DType dtype, std::initializer_list<std::int64_t> shape,
                                    std::initializer_list<std::int64_t> strides);
  /// From DLPack: CUDA device memory (kDLCUDA, kDLCUDAManaged); null strides mean row-major. float8 e4m3 is type code
  /// 10 of DLPack 1.1 with 8 bits. Throws attnjit::Error for anything without a matching DType.
  ATTNJIT_API static Tensor from_dlpack(const DLTensor& tensor);
};

}  // namespace attnjit
