// The tensors of one case on the device: placed, surrounded by poison, filled; outputs are read back and the space
// around them is checked. All operators' cases build on it. The emulator's tests compile the same source with another
// implementation of device.h, in which the host is the device.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "attnjit/tensor.hpp"
#include "verify/device.h"
#include "verify/reference/plain_kernels.h"
#include "verify/storage.h"

namespace attnjit::gpu_tests {

class PlacedTensors {
 public:
  explicit PlacedTensors(const reference::PlainKernels& plain) : plain_(plain) {}

  /// [tokens, heads, columns]; NaN inside and around it until filled.
  Tensor input(Storage storage, DType dtype, std::int64_t tokens, std::int64_t heads, std::int64_t columns);
  /// The same, poisoned; faults call it `name`.
  Tensor output(const char* name, Storage storage, DType dtype, std::int64_t tokens, std::int64_t heads,
                std::int64_t columns);
  /// float32 [tokens, heads]; NaN inside and around it until filled.
  Tensor input_lse(LseStorage storage, std::int64_t tokens, std::int64_t heads);
  /// The same, poisoned; not given for kNone.
  Tensor output_lse(const char* name, LseStorage storage, std::int64_t tokens, std::int64_t heads);
  /// A dense tensor [size] with these values, followed by four times `behind`.
  Tensor vector(std::vector<int> values, int behind);
  Tensor vector(const std::vector<float>& values);

  /// Fills all of the tensor's tokens; does nothing for a tensor that is not given.
  void fill(const Tensor& tensor, reference::FillParams params) const;

  /// Returns the first `tokens` tokens of an output, row-major, and replaces them with poison. Elements that were not
  /// written are reported in `trouble`.
  template <class T>
  std::vector<T> take(const Tensor& tensor, const char* name, std::int64_t tokens, std::string& trouble) const {
    std::vector<T> values = take_out(tensor, tokens).template download<T>();
    note_missing(values.data(), static_cast<std::int64_t>(values.size()), tensor.dtype, name, trouble);
    return values;
  }
  /// Empty, or what was written in the outputs' buffers outside the elements that take() read.
  std::string check_untouched() const;

  const reference::PlainKernels& plain() const { return plain_; }

 private:
  struct OutputBuffer {
    const char* name;
    DType dtype;
    std::size_t buffer;
  };
  Tensor place(Storage storage, DType dtype, std::uint32_t pattern, std::int64_t tokens, std::int64_t heads,
               std::int64_t columns);
  Tensor place_lse(LseStorage storage, std::uint32_t pattern, std::int64_t tokens, std::int64_t heads);
  DeviceBuffer take_out(const Tensor& tensor, std::int64_t tokens) const;
  static void note_missing(const void* values, std::int64_t count, DType dtype, const char* name, std::string& trouble);

  const reference::PlainKernels& plain_;
  std::deque<DeviceBuffer> buffers_;
  std::vector<OutputBuffer> outputs_;
};

}  // namespace attnjit::gpu_tests
