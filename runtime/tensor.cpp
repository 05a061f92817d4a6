#include "attnjit/tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "runtime/dtypes.h"

#ifndef ATTNJIT_VERSION
#error "the build defines ATTNJIT_VERSION as the project's version, a string literal"
#endif

namespace attnjit {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(Status::kInvalidArgument, message); }

void check_rank(std::int64_t rank) {
  if (rank < 0 || rank > Tensor::kMaxRank) {
    fail(fmt::format("a tensor of {} dims was given; attnjit takes 1 to {}", rank, Tensor::kMaxRank));
  }
}

/// Strides of a dense tensor. A dim of size 0 counts as 1, as in NumPy and PyTorch.
void set_row_major_strides(Tensor& tensor) {
  std::int64_t stride = 1;
  for (int dim = tensor.rank - 1; dim >= 0; --dim) {
    tensor.strides[dim] = stride;
    if (__builtin_mul_overflow(stride, std::max<std::int64_t>(tensor.shape[dim], 1), &stride)) {
      fail(fmt::format("the sizes of a tensor's dims {} to {} multiply to more than 64 bits hold", dim,
                       tensor.rank - 1));
    }
  }
}

void check_sizes(const Tensor& tensor) {
  for (int dim = 0; dim < tensor.rank; ++dim) {
    if (tensor.shape[dim] < 0) {
      fail(fmt::format("dim {} of a tensor has size {}; sizes are 0 or more", dim, tensor.shape[dim]));
    }
  }
}

Tensor with_shape(const void* data, DType dtype, std::initializer_list<std::int64_t> shape) {
  check_rank(static_cast<std::int64_t>(shape.size()));
  Tensor tensor;
  tensor.data = const_cast<void*>(data);  // one view type for inputs and outputs; operators write only to outputs
  tensor.dtype = dtype;
  tensor.rank = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape.begin());
  check_sizes(tensor);
  return tensor;
}

std::string_view dlpack_device_name(int type) {
  switch (type) {
    case kDLCPU: return "CPU memory";
    case kDLCUDAHost: return "pinned host memory";
    case kDLROCM: return "ROCm memory";
    default: return "memory of another kind";
  }
}

std::string_view dlpack_code_name(int code) {
  switch (code) {
    case kDLInt: return "int";
    case kDLUInt: return "uint";
    case kDLFloat: return "float";
    case kDLBfloat: return "bfloat";
    case kDLComplex: return "complex";
    default: return "another type";
  }
}

DType dtype_of(const DLDataType& type) {
  for (const runtime::DTypeRow& row : runtime::kDTypes) {
    if (type.code == row.dlpack_code && type.bits == row.bits && type.lanes == 1) return row.dtype;
  }
  if (type.lanes == 1 && type.code == kDLInt && type.bits == 64) {
    fail("it is int64; lengths, page lists and indices must be int32: convert it");
  }
  if (type.lanes == 1 && type.bits == 8 && (type.code == kDLUInt || type.code == kDLInt)) {
    fail(fmt::format("it is {}int8; where it holds e4m3 codes, view it as float8_e4m3fn",
                     type.code == kDLUInt ? "u" : ""));
  }
  fail(
      fmt::format("DLPack dtype code {} ({}), {} bits, {} lanes is none that attnjit takes: float16, bfloat16, "
                  "float32, int32, and float8 e4m3fn (code {}, 8 bits), each with 1 lane",
                  type.code, dlpack_code_name(type.code), type.bits, type.lanes, runtime::kDlpackFloat8E4M3Fn));
}

}  // namespace

const char* version() noexcept { return ATTNJIT_VERSION; }

const char* to_string(DType dtype) noexcept {
  const runtime::DTypeRow* const row = runtime::dtype_row(dtype);
  return row ? row->name : "unknown dtype";
}

int size_in_bytes(DType dtype) noexcept {
  const runtime::DTypeRow* const row = runtime::dtype_row(dtype);
  return row ? row->bits / 8 : 0;
}

Tensor Tensor::contiguous(const void* data, DType dtype, std::initializer_list<std::int64_t> shape) {
  Tensor tensor = with_shape(data, dtype, shape);
  set_row_major_strides(tensor);
  return tensor;
}

Tensor Tensor::strided(const void* data, DType dtype, std::initializer_list<std::int64_t> shape,
                       std::initializer_list<std::int64_t> strides) {
  if (strides.size() != shape.size()) {
    fail(fmt::format("a tensor of {} dims was given {} strides; each dim has one", shape.size(), strides.size()));
  }
  Tensor tensor = with_shape(data, dtype, shape);
  std::copy(strides.begin(), strides.end(), tensor.strides.begin());
  return tensor;
}

Tensor Tensor::from_dlpack(const DLTensor& dl) {
  const int device_type = dl.device.device_type;
  if (device_type != kDLCUDA && device_type != kDLCUDAManaged) {
    fail(fmt::format(
        "a tensor in {} (DLPack device type {}) was given; attnjit takes CUDA device memory (kDLCUDA, {}) "
        "and managed memory (kDLCUDAManaged, {}): copy it to the device",
        dlpack_device_name(device_type), device_type, static_cast<int>(kDLCUDA), static_cast<int>(kDLCUDAManaged)));
  }
  check_rank(dl.ndim);

  Tensor tensor;
  tensor.dtype = dtype_of(dl.dtype);
  // An empty tensor may have a null pointer; a byte offset must not turn it into one that looks valid.
  if (dl.data != nullptr) tensor.data = static_cast<char*>(dl.data) + dl.byte_offset;
  if (dl.ndim == 0) {
    // Frameworks often keep a scale as a scalar. Treat it as one dim of one element: rank 0 would mean "not given".
    tensor.rank = 1;
    tensor.shape[0] = 1;
    tensor.strides[0] = 1;
    return tensor;
  }
  if (dl.shape == nullptr) fail(fmt::format("a DLTensor of {} dims was given without a shape (null)", dl.ndim));
  tensor.rank = dl.ndim;
  std::int64_t signs = 0;
  for (int dim = 0; dim < tensor.rank; ++dim) {  // a memcpy call costs more than these few moves
    tensor.shape[dim] = dl.shape[dim];
    if (dl.strides != nullptr) tensor.strides[dim] = dl.strides[dim];
    signs |= dl.shape[dim];
  }
  if (signs < 0) [[unlikely]]
    check_sizes(tensor);
  if (dl.strides == nullptr) set_row_major_strides(tensor);
  return tensor;
}

}  // namespace attnjit
