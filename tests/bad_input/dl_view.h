// A view for the C API: a DLTensor with the content of a Tensor.
#pragma once

#include "attnjit/tensor.hpp"

namespace attnjit::bad_input {

/// Where tensors are: only a DLTensor carries that.
struct Place {
  DLDevice device{kDLCUDA, 0};
  const void* only = nullptr;  // address of the only tensor at `device`, the others being on device 0; nullptr: all are
};

class DlView {
 public:
  explicit DlView(const Tensor& tensor, const Place& place = {}) : tensor_(tensor) {
    dl_.data = tensor_.data;
    dl_.device = place.only == nullptr || place.only == tensor.data ? place.device : DLDevice{kDLCUDA, 0};
    dl_.ndim = tensor_.rank;
    dl_.dtype = dtype_of(tensor_.dtype);
    dl_.shape = tensor_.shape.data();
    dl_.strides = tensor_.strides.data();
  }
  DlView(const DlView&) = delete;
  DlView& operator=(const DlView&) = delete;

  /// NULL if the tensor is not given.
  const DLTensor* get() const { return tensor_.given() ? &dl_ : nullptr; }

 private:
  static DLDataType dtype_of(DType dtype) {
    switch (dtype) {
      case DType::kFloat16: return {kDLFloat, 16, 1};
      case DType::kBFloat16: return {kDLBfloat, 16, 1};
      case DType::kFloat8E4M3: return {10, 8, 1};
      case DType::kFloat32: return {kDLFloat, 32, 1};
      case DType::kInt32: return {kDLInt, 32, 1};
    }
    return {};
  }

  Tensor tensor_;
  DLTensor dl_{};
};

}  // namespace attnjit::bad_input
