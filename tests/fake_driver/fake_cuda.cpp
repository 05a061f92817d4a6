#include "tests/fake_driver/fake_cuda.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

// The CUcontext of device d is the number 1000 + d; libraries and kernels are numbers too. Nothing is ever
// dereferenced.
namespace {

std::mutex mutex;
fake_cuda::State fake_state;
std::map<CUkernel, std::string> kernel_names;
std::map<CUlibrary, std::string> images;
thread_local std::vector<CUcontext> context_stack;

int device_of(CUcontext context) { return static_cast<int>(reinterpret_cast<std::uintptr_t>(context)) - 1000; }

CUresult init(unsigned) { return fake_state.init_result; }
CUresult driver_get_version(int* version) {
  *version = fake_state.driver_version;
  return CUDA_SUCCESS;
}
CUresult get_error_name(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_NO_BINARY_FOR_GPU ? "CUDA_ERROR_NO_BINARY_FOR_GPU" : "CUDA_ERROR_OF_FAKE";
  return CUDA_SUCCESS;
}
CUresult get_error_string(CUresult, const char** text) {
  *text = "as the test asked";
  return CUDA_SUCCESS;
}
CUresult device_get_count(int* count) {
  *count = static_cast<int>(fake_state.device_sms.size());
  return CUDA_SUCCESS;
}
CUresult device_get(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult device_get_name(char* name, int bytes, CUdevice) {
  std::strncpy(name, "Fake GPU", static_cast<std::size_t>(bytes));
  return CUDA_SUCCESS;
}
CUresult device_get_attribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  const int sm = fake_state.device_sms.at(static_cast<std::size_t>(device));
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = sm / 10; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = sm % 10; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 132; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}
CUresult primary_context_retain(CUcontext* context, CUdevice device) {
  const std::lock_guard lock(mutex);
  ++fake_state.primary_contexts_retained;
  *context = fake_cuda::context_of(device);
  return CUDA_SUCCESS;
}
CUresult context_get_current(CUcontext* context) {
  *context = context_stack.empty() ? nullptr : context_stack.back();
  return CUDA_SUCCESS;
}
CUresult context_get_device(CUdevice* device) {
  if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *device = device_of(context_stack.back());
  return CUDA_SUCCESS;
}
CUresult context_push(CUcontext context) {
  context_stack.push_back(context);
  return CUDA_SUCCESS;
}
CUresult context_pop(CUcontext* context) {
  if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *context = context_stack.back();
  context_stack.pop_back();
  return CUDA_SUCCESS;
}
CUresult memory_allocate(CUdeviceptr* address, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (fake_state.out_of_memory) return CUDA_ERROR_OUT_OF_MEMORY;
  fake_state.allocations.push_back({context_stack.back(), bytes, false});
  // Addresses are far apart and show which allocation they belong to.
  *address = fake_cuda::kFirstAddress * fake_state.allocations.size();
  return CUDA_SUCCESS;
}
CUresult memory_free(CUdeviceptr address) {
  const std::lock_guard lock(mutex);
  const std::size_t number = address / fake_cuda::kFirstAddress;
  if (number == 0 || number > fake_state.allocations.size()) return CUDA_ERROR_INVALID_VALUE;
  auto& allocation = fake_state.allocations[number - 1];
  if (allocation.freed || context_stack.empty() || context_stack.back() != allocation.context) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  allocation.freed = true;
  return CUDA_SUCCESS;
}
CUresult library_load(CUlibrary* library, const void* image, CUjit_option*, void**, unsigned, CUlibraryOption*, void**,
                      unsigned) {
  const std::lock_guard lock(mutex);
  if (fake_state.cubins_to_refuse > 0) {
    --fake_state.cubins_to_refuse;
    return fake_state.refusal;
  }
  *library = reinterpret_cast<CUlibrary>(static_cast<std::uintptr_t>(++fake_state.libraries_loaded));
  images[*library] = fake_state.read_image ? fake_state.read_image(image) : "";
  return CUDA_SUCCESS;
}
CUresult library_unload(CUlibrary) {
  const std::lock_guard lock(mutex);
  ++fake_state.libraries_unloaded;
  return CUDA_SUCCESS;
}
CUresult library_get_kernel(CUkernel* kernel, CUlibrary library, const char* name) {
  const std::lock_guard lock(mutex);
  *kernel = reinterpret_cast<CUkernel>(library);
  kernel_names[*kernel] = name;
  return CUDA_SUCCESS;
}
CUresult kernel_set_attribute(CUfunction_attribute, int, CUkernel, CUdevice) { return CUDA_SUCCESS; }
CUresult record_launch(const CUlaunchConfig* config, CUfunction kernel, void** parameters) {
  const std::lock_guard lock(mutex);
  if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  const std::string& entry = kernel_names[reinterpret_cast<CUkernel>(kernel)];
  const auto* bytes = static_cast<const unsigned char*>(parameters[0]);
  bool overlaps_previous = false;
  std::vector<int> attributes;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    attributes.push_back(config->attrs[i].id);
    overlaps_previous |= config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION &&
                         config->attrs[i].value.programmaticStreamSerializationAllowed != 0;
  }
  fake_state.launches.push_back(
      {entry,
       config->gridDimX,
       config->blockDimX,
       config->sharedMemBytes,
       config->hStream,
       context_stack.back(),
       {bytes, bytes + fake_state.parameter_bytes[entry]},
       overlaps_previous,
       {config->gridDimX, config->gridDimY, config->gridDimZ, config->blockDimX, config->blockDimY, config->blockDimZ},
       std::move(attributes),
       images[reinterpret_cast<CUlibrary>(kernel)]});
  if (fake_state.on_launch) fake_state.on_launch(fake_state.launches.back(), parameters[0]);
  return CUDA_SUCCESS;
}
CUresult launch_kernel(const CUlaunchConfig* config, CUfunction kernel, void** parameters, void**) {
  const CUresult result = record_launch(config, kernel, parameters);
  std::this_thread::yield();  // lets threads interleave within calls that launch several kernels
  return result;
}
/// The map holds the requested values for tests to see: the tensor's address, dims and strides; from the middle on, the
/// boxes; and, one byte each, the rest. There is room for up to 4 dims.
CUresult tensor_map_encode(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* tensor,
                           const cuuint64_t* dims, const cuuint64_t* strides, const cuuint32_t* box,
                           const cuuint32_t* steps, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                           CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  if (rank > 4) return CUDA_ERROR_INVALID_VALUE;
  *map = CUtensorMap{};
  map->opaque[0] = reinterpret_cast<cuuint64_t>(tensor);
  std::copy_n(dims, rank, map->opaque + 1);
  std::copy_n(strides, rank - 1, map->opaque + 1 + rank);
  for (cuuint32_t i = 0; i < rank; ++i) map->opaque[8 + i] = box[i] | cuuint64_t{steps[i]} << 32;
  for (const int value : {int{type}, int{interleave}, int{swizzle}, int{promotion}, int{fill}}) {
    map->opaque[12] = map->opaque[12] << 8 | static_cast<cuuint64_t>(value);
  }
  const std::lock_guard lock(mutex);
  ++fake_state.tensor_maps_encoded;
  return CUDA_SUCCESS;
}
CUresult host_alloc(void** memory, std::size_t bytes, unsigned) {
  const std::lock_guard lock(mutex);
  ++fake_state.host_allocations;
  *memory = std::malloc(bytes);
  fake_state.host_memory.push_back(*memory);
  return CUDA_SUCCESS;
}
CUresult host_free(void* memory) {
  const std::lock_guard lock(mutex);
  --fake_state.host_allocations;
  std::free(memory);
  return CUDA_SUCCESS;
}
CUresult stream_is_capturing(CUstream, CUstreamCaptureStatus* status) {
  *status = fake_state.capture;
  return fake_state.capture_result;
}
CUresult stream_get_id(CUstream stream, unsigned long long* id) {
  if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (fake_state.capture != CU_STREAM_CAPTURE_STATUS_NONE) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;  // as in 13.0
  if (stream == CU_STREAM_PER_THREAD) {
    static std::atomic<unsigned long long> threads{0};
    thread_local const unsigned long long own = (1ull << 40) + threads++;
    *id = own;
    return CUDA_SUCCESS;
  }
  const std::lock_guard lock(mutex);
  const auto known = fake_state.stream_ids.find(stream);
  *id = known != fake_state.stream_ids.end() ? known->second : reinterpret_cast<std::uintptr_t>(stream);
  return CUDA_SUCCESS;
}
CUresult context_get_id(CUcontext context, unsigned long long* id) {
  const std::lock_guard lock(mutex);
  const auto known = fake_state.context_ids.find(context);
  *id = known != fake_state.context_ids.end() ? known->second : reinterpret_cast<std::uintptr_t>(context);
  return CUDA_SUCCESS;
}
CUresult stream_synchronize(CUstream) {
  const std::lock_guard lock(mutex);
  ++fake_state.stream_waits;
  return CUDA_SUCCESS;
}

const std::map<std::string, void*>& functions() {
  static const std::map<std::string, void*> table{
      {"cuInit", reinterpret_cast<void*>(init)},
      {"cuDriverGetVersion", reinterpret_cast<void*>(driver_get_version)},
      {"cuGetErrorName", reinterpret_cast<void*>(get_error_name)},
      {"cuGetErrorString", reinterpret_cast<void*>(get_error_string)},
      {"cuDeviceGetCount", reinterpret_cast<void*>(device_get_count)},
      {"cuDeviceGet", reinterpret_cast<void*>(device_get)},
      {"cuDeviceGetName", reinterpret_cast<void*>(device_get_name)},
      {"cuDeviceGetAttribute", reinterpret_cast<void*>(device_get_attribute)},
      {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(primary_context_retain)},
      {"cuCtxGetCurrent", reinterpret_cast<void*>(context_get_current)},
      {"cuCtxGetDevice", reinterpret_cast<void*>(context_get_device)},
      {"cuCtxPushCurrent", reinterpret_cast<void*>(context_push)},
      {"cuCtxPopCurrent", reinterpret_cast<void*>(context_pop)},
      {"cuMemAlloc", reinterpret_cast<void*>(memory_allocate)},
      {"cuMemFree", reinterpret_cast<void*>(memory_free)},
      {"cuLibraryLoadData", reinterpret_cast<void*>(library_load)},
      {"cuLibraryUnload", reinterpret_cast<void*>(library_unload)},
      {"cuLibraryGetKernel", reinterpret_cast<void*>(library_get_kernel)},
      {"cuKernelSetAttribute", reinterpret_cast<void*>(kernel_set_attribute)},
      {"cuLaunchKernelEx", reinterpret_cast<void*>(launch_kernel)},
      {"cuTensorMapEncodeTiled", reinterpret_cast<void*>(tensor_map_encode)},
      {"cuMemHostAlloc", reinterpret_cast<void*>(host_alloc)},
      {"cuMemFreeHost", reinterpret_cast<void*>(host_free)},
      {"cuStreamIsCapturing", reinterpret_cast<void*>(stream_is_capturing)},
      {"cuStreamGetId", reinterpret_cast<void*>(stream_get_id)},
      {"cuCtxGetId", reinterpret_cast<void*>(context_get_id)},
      {"cuStreamSynchronize", reinterpret_cast<void*>(stream_synchronize)},
  };
  return table;
}

}  // namespace

namespace fake_cuda {

State& state() { return fake_state; }
void reset() {
  fake_state = State{};
  context_stack.clear();
}
CUcontext context_of(int device) { return reinterpret_cast<CUcontext>(static_cast<std::uintptr_t>(1000 + device)); }
void set_current(CUcontext context) {
  context_stack.clear();
  if (context != nullptr) context_stack.push_back(context);
}

}  // namespace fake_cuda

// What the loader looks up by symbol. Everything else goes through cuGetProcAddress, as with the real driver.
extern "C" {
__attribute__((visibility("default"))) CUresult cuDriverGetVersion(int* version) { return driver_get_version(version); }
__attribute__((visibility("default"))) CUresult cuGetProcAddress_v2(const char* name, void** address, int, cuuint64_t,
                                                                    CUdriverProcAddressQueryResult*) {
  const auto found = functions().find(name);
  if (found == functions().end() || name == fake_state.missing_function) return CUDA_ERROR_NOT_FOUND;
  *address = found->second;
  return CUDA_SUCCESS;
}
}
