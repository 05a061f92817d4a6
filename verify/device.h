// What tests need of a GPU beyond what the library does: memory, streams, events, graphs. Looks up libcuda's functions
// itself, since the library never allocates, copies or captures.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace attnjit::gpu_tests {

/// libcuda functions missing from runtime::Driver, looked up once.
struct Cuda {
  static const Cuda& get();
  /// Throws attnjit::Error naming the call unless `result` is success.
  static void check(CUresult result, const char* call);

  decltype(&::cuMemAlloc) mem_alloc = nullptr;
  decltype(&::cuMemFree) mem_free = nullptr;
  decltype(&::cuMemcpyHtoD) copy_to_device = nullptr;
  decltype(&::cuMemcpyDtoH) copy_to_host = nullptr;
  decltype(&::cuMemsetD8) set_8 = nullptr;
  decltype(&::cuMemsetD16) set_16 = nullptr;
  decltype(&::cuMemsetD32) set_32 = nullptr;
  decltype(&::cuCtxSynchronize) synchronize = nullptr;
  decltype(&::cuStreamCreate) stream_create = nullptr;
  decltype(&::cuStreamDestroy) stream_destroy = nullptr;
  decltype(&::cuStreamSynchronize) stream_synchronize = nullptr;
  decltype(&::cuStreamBeginCapture) begin_capture = nullptr;
  decltype(&::cuStreamEndCapture) end_capture = nullptr;
  decltype(&::cuGraphInstantiateWithFlags) graph_instantiate = nullptr;
  decltype(&::cuGraphLaunch) graph_launch = nullptr;
  decltype(&::cuGraphExecDestroy) graph_exec_destroy = nullptr;
  decltype(&::cuGraphDestroy) graph_destroy = nullptr;
};

/// Makes the primary context of `device` current on this thread for the guard's lifetime.
class CurrentDevice {
 public:
  explicit CurrentDevice(int ordinal);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
};

/// Device memory; null if empty.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::int64_t bytes);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : address_(std::exchange(other.address_, 0)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

  /// A buffer holding `values`.
  template <class T>
  static DeviceBuffer of(const std::vector<T>& values) {
    DeviceBuffer buffer(static_cast<std::int64_t>(values.size() * sizeof(T)));
    buffer.upload(values.data(), buffer.bytes_);
    return buffer;
  }

  template <class T = void>
  T* data() const {
    return reinterpret_cast<T*>(address_);
  }
  std::int64_t bytes() const { return bytes_; }

  /// Sets every element of `element_bytes` (1, 2 or 4) to `pattern`.
  void fill(std::uint32_t pattern, int element_bytes) const;
  void upload(const void* source, std::int64_t bytes) const;
  /// Waits for all work queued earlier in the context.
  template <class T>
  std::vector<T> download() const {
    std::vector<T> values(static_cast<std::size_t>(bytes_) / sizeof(T));
    download(values.data());
    return values;
  }

 private:
  void download(void* destination) const;

  CUdeviceptr address_ = 0;
  std::int64_t bytes_ = 0;
};

/// A stream that does not wait for the legacy default stream.
class CudaStream {
 public:
  CudaStream();
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  CUstream get() const { return stream_; }
  void wait() const;

 private:
  CUstream stream_ = nullptr;
};

/// An instantiated captured graph.
class CudaGraph {
 public:
  /// Captures what `enqueue` puts into `stream`.
  template <class Enqueue>
  CudaGraph(const CudaStream& stream, const Enqueue& enqueue) {
    begin(stream);
    enqueue();
    end(stream);
  }
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void launch(const CudaStream& stream) const;
  /// Another instance of the same graph; this object must outlive it.
  CudaGraph instantiated_again() const { return CudaGraph(graph_); }

 private:
  explicit CudaGraph(CUgraph graph);
  void begin(const CudaStream& stream);
  void end(const CudaStream& stream);

  CUgraph graph_ = nullptr;
  bool owns_graph_ = true;
  CUgraphExec executable_ = nullptr;
};

}  // namespace attnjit::gpu_tests
