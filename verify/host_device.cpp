// Alternative implementation of verify/device.h in which the host is the device. Has only what CaseTensors needs;
// linked in place of verify/device.cpp.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "verify/device.h"

namespace attnjit::gpu_tests {

const Cuda& Cuda::get() {
  static const Cuda cuda = [] {
    Cuda functions;
    functions.copy_to_device = [](CUdeviceptr to, const void* from, std::size_t bytes) -> CUresult {
      std::memcpy(reinterpret_cast<void*>(to), from, bytes);
      return CUDA_SUCCESS;
    };
    functions.synchronize = []() -> CUresult { return CUDA_SUCCESS; };
    return functions;
  }();
  return cuda;
}

void Cuda::check(CUresult, const char*) {}

// Aligned like device memory.
DeviceBuffer::DeviceBuffer(std::int64_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  address_ = reinterpret_cast<CUdeviceptr>(::operator new (static_cast<std::size_t>(bytes), std::align_val_t{256}));
}

DeviceBuffer::~DeviceBuffer() { ::operator delete (reinterpret_cast<void*>(address_), std::align_val_t{256}); }

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void DeviceBuffer::fill(std::uint32_t pattern, int element_bytes) const {
  for (std::int64_t at = 0; at < bytes_; at += element_bytes) {
    std::memcpy(data<char>() + at, &pattern, static_cast<std::size_t>(element_bytes));
  }
}

void DeviceBuffer::upload(const void* source, std::int64_t bytes) const {
  if (bytes > 0) std::memcpy(data(), source, static_cast<std::size_t>(bytes));
}

void DeviceBuffer::download(void* destination) const {
  if (bytes_ > 0) std::memcpy(destination, data(), static_cast<std::size_t>(bytes_));
}

}  // namespace attnjit::gpu_tests
