// Control panel of the fake CUDA driver: what it pretends to be, and what it was asked to do. The fake replaces libcuda
// (through ATTNJIT_LIBCUDA), so that everything up to the launch is tested without a GPU.
#pragma once

#include <cuda.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace fake_cuda {

struct Launch {
  std::string entry;  // the kernel's name
  unsigned grid_x = 0;
  unsigned threads = 0;
  unsigned smem_bytes = 0;
  CUstream stream = nullptr;
  CUcontext context = nullptr;           // current at the launch
  std::vector<unsigned char> parameter;  // first parameter_bytes bytes of the kernel's one parameter
  bool overlaps_previous = false;        // programmatic dependent launch
  std::vector<unsigned> shape;           // grid x, y, z, CTA x, y, z
  std::vector<int> attributes;           // the ones given
  std::string image;                     // what State::read_image returned for the kernel's cubin
};

struct Allocation {
  CUcontext context = nullptr;  // current when it was allocated
  std::size_t bytes = 0;
  bool freed = false;
};
/// The first allocation's address; the second one's is twice that, and so on.
inline constexpr CUdeviceptr kFirstAddress = CUdeviceptr{1} << 40;

struct State {
  int driver_version = 13000;
  CUresult init_result = CUDA_SUCCESS;
  std::string missing_function;                        // one that this driver lacks
  std::vector<int> device_sms{90};                     // compute capability of each device, 90 for 9.0
  std::map<std::string, std::size_t> parameter_bytes;  // how much of the parameter a launch records, by entry
  /// Stands in for the GPU: called at each launch with the kernel's one parameter, after it was recorded.
  std::function<void(const Launch&, void* parameter)> on_launch;
  /// Identifies a cubin, for the launches of its kernels.
  std::function<std::string(const void* image)> read_image;
  int cubins_to_refuse = 0;  // the next so many cuLibraryLoadData calls fail with this result:
  CUresult refusal = CUDA_ERROR_NO_BINARY_FOR_GPU;
  std::vector<Launch> launches;
  std::vector<Allocation> allocations;
  bool out_of_memory = false;
  int libraries_loaded = 0;
  int libraries_unloaded = 0;
  int primary_contexts_retained = 0;
  int host_allocations = 0;                // without those freed
  std::vector<const void*> host_memory{};  // their addresses, including those freed
  int stream_waits = 0;
  int tensor_maps_encoded = 0;
  CUstreamCaptureStatus capture = CU_STREAM_CAPTURE_STATUS_NONE;
  CUresult capture_result = CUDA_SUCCESS;  // result of the capture query
  /// Unique IDs of streams and contexts, where they differ from the handle's own value: an object that got the handle
  /// of a destroyed one has another ID. CU_STREAM_PER_THREAD has one ID per thread.
  std::map<CUstream, unsigned long long> stream_ids;
  std::map<CUcontext, unsigned long long> context_ids;
};

/// The only state; the fake's own mutex guards it while the driver is called.
State& state();
/// Restores the defaults above, with no context current on this thread.
void reset();
/// A context of a device, as a host program would have created it.
CUcontext context_of(int device);
void set_current(CUcontext context);

}  // namespace fake_cuda
