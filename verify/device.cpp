#include "verify/device.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <type_traits>

#include "attnjit/error.hpp"
#include "runtime/driver.h"

namespace attnjit::gpu_tests {

const Cuda& Cuda::get() {
  static const Cuda cuda = [] {
    const char* const wanted = std::getenv("ATTNJIT_LIBCUDA");
    const std::string path = wanted != nullptr && *wanted != '\0' ? wanted : "libcuda.so.1";
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw Error(Status::kNoDriver, fmt::format("no CUDA driver: {}", dlerror()));
    Cuda functions;
    const auto look_up = [&](auto& function, const char* name) {
      void* const address = dlsym(library, name);
      if (address == nullptr) throw Error(Status::kNoDriver, fmt::format("{} has no {}", path, name));
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
    };
    // The versioned names are those that cuda.h maps the plain ones to.
    look_up(functions.mem_alloc, "cuMemAlloc_v2");
    look_up(functions.mem_free, "cuMemFree_v2");
    look_up(functions.copy_to_device, "cuMemcpyHtoD_v2");
    look_up(functions.copy_to_host, "cuMemcpyDtoH_v2");
    look_up(functions.set_8, "cuMemsetD8_v2");
    look_up(functions.set_16, "cuMemsetD16_v2");
    look_up(functions.set_32, "cuMemsetD32_v2");
    look_up(functions.synchronize, "cuCtxSynchronize");
    look_up(functions.stream_create, "cuStreamCreate");
    look_up(functions.stream_destroy, "cuStreamDestroy_v2");
    look_up(functions.stream_synchronize, "cuStreamSynchronize");
    look_up(functions.begin_capture, "cuStreamBeginCapture_v2");
    look_up(functions.end_capture, "cuStreamEndCapture");
    look_up(functions.graph_instantiate, "cuGraphInstantiateWithFlags");
    look_up(functions.graph_launch, "cuGraphLaunch");
    look_up(functions.graph_exec_destroy, "cuGraphExecDestroy");
    look_up(functions.graph_destroy, "cuGraphDestroy");
    return functions;
  }();
  return cuda;
}

void Cuda::check(CUresult result, const char* call) { runtime::Driver::get().check(result, call); }

CurrentDevice::CurrentDevice(int ordinal) {
  const runtime::Driver& driver = runtime::Driver::get();
  CUdevice device = 0;
  driver.check(driver.cuDeviceGet(&device, ordinal), "cuDeviceGet");
  // Retained once per guard and never released, as the library and the CUDA runtime do.
  CUcontext context = nullptr;
  driver.check(driver.cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
  driver.check(driver.cuCtxPushCurrent(context), "cuCtxPushCurrent");
}

CurrentDevice::~CurrentDevice() {
  CUcontext popped = nullptr;
  runtime::Driver::get().cuCtxPopCurrent(&popped);
}

DeviceBuffer::DeviceBuffer(std::int64_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  Cuda::check(Cuda::get().mem_alloc(&address_, static_cast<std::size_t>(bytes)), "cuMemAlloc");
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ != 0) Cuda::get().mem_free(address_);
}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void DeviceBuffer::fill(std::uint32_t pattern, int element_bytes) const {
  if (bytes_ == 0) return;
  const auto count = static_cast<std::size_t>(bytes_ / element_bytes);
  const Cuda& cuda = Cuda::get();
  switch (element_bytes) {
    case 1: Cuda::check(cuda.set_8(address_, static_cast<unsigned char>(pattern), count), "cuMemsetD8"); break;
    case 2: Cuda::check(cuda.set_16(address_, static_cast<unsigned short>(pattern), count), "cuMemsetD16"); break;
    default: Cuda::check(cuda.set_32(address_, pattern, count), "cuMemsetD32"); break;
  }
  // Asynchronous for device memory, and our streams do not wait for the default stream.
  Cuda::check(cuda.synchronize(), "cuCtxSynchronize");
}

void DeviceBuffer::upload(const void* source, std::int64_t bytes) const {
  if (bytes == 0) return;
  // A copy of less than 64 KB from pageable memory may return before it has completed.
  Cuda::check(Cuda::get().copy_to_device(address_, source, static_cast<std::size_t>(bytes)), "cuMemcpyHtoD");
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

void DeviceBuffer::download(void* destination) const {
  if (bytes_ == 0) return;
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  Cuda::check(Cuda::get().copy_to_host(destination, address_, static_cast<std::size_t>(bytes_)), "cuMemcpyDtoH");
}

CudaStream::CudaStream() { Cuda::check(Cuda::get().stream_create(&stream_, CU_STREAM_NON_BLOCKING), "cuStreamCreate"); }
CudaStream::~CudaStream() { Cuda::get().stream_destroy(stream_); }
void CudaStream::wait() const { Cuda::check(Cuda::get().stream_synchronize(stream_), "cuStreamSynchronize"); }

void CudaGraph::begin(const CudaStream& stream) {
  // Thread-local: an unsafe call on this thread fails the capture, calls on other threads do not affect it.
  Cuda::check(Cuda::get().begin_capture(stream.get(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "cuStreamBeginCapture");
}

void CudaGraph::end(const CudaStream& stream) {
  Cuda::check(Cuda::get().end_capture(stream.get(), &graph_), "cuStreamEndCapture");
  Cuda::check(Cuda::get().graph_instantiate(&executable_, graph_, 0), "cuGraphInstantiate");
}

CudaGraph::CudaGraph(CUgraph graph) : graph_(graph), owns_graph_(false) {
  Cuda::check(Cuda::get().graph_instantiate(&executable_, graph_, 0), "cuGraphInstantiate");
}

CudaGraph::~CudaGraph() {
  if (executable_ != nullptr) Cuda::get().graph_exec_destroy(executable_);
  if (graph_ != nullptr && owns_graph_) Cuda::get().graph_destroy(graph_);
}

void CudaGraph::launch(const CudaStream& stream) const {
  Cuda::check(Cuda::get().graph_launch(executable_, stream.get()), "cuGraphLaunch");
}

}  // namespace attnjit::gpu_tests
