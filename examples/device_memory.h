/* Device memory for the example programs: the few CUDA driver calls that a host program needs, looked up in libcuda at
 * run time, so that the examples build and start on a machine without CUDA. Your own program uses cudaMalloc or its
 * framework's tensors instead. C and C++.
 */
#ifndef ATTNJIT_EXAMPLES_DEVICE_MEMORY_H_
#define ATTNJIT_EXAMPLES_DEVICE_MEMORY_H_

#include <cuda.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct device_memory {
  CUresult (*alloc)(CUdeviceptr* pointer, size_t bytes);
  CUresult (*free)(CUdeviceptr pointer);
  CUresult (*upload)(CUdeviceptr to, const void* from, size_t bytes);
  CUresult (*download)(void* to, CUdeviceptr from, size_t bytes);
  CUresult (*synchronize)(void);
} device_memory;

/* Exits if a driver call failed: an example has no better way to handle it. */
static inline void device_check(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return;
  fprintf(stderr, "%s failed with CUresult %d\n", call, (int)result);
  exit(1);
}

/* Stores the address of a libcuda function in the function pointer at `function`. */
static inline void device_symbol(void* library, const char* name, void* function) {
  void* const address = dlsym(library, name);
  if (address == NULL) {
    fprintf(stderr, "libcuda.so.1 has no %s\n", name);
    exit(1);
  }
  memcpy(function, &address, sizeof address); /* ISO C has no cast from an object pointer to a function pointer */
}

/* Makes the primary context of a device current on this thread: the context that the CUDA runtime and attnjit use.
 * Returns 0 if there is no driver or no such device. */
static inline int device_memory_open(device_memory* memory, int ordinal) {
  CUresult (*init)(unsigned int);
  CUresult (*get)(CUdevice*, int);
  CUresult (*retain)(CUcontext*, CUdevice);
  CUresult (*set_current)(CUcontext);
  CUdevice device;
  CUcontext context;
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == NULL) return 0;
  device_symbol(library, "cuInit", &init);
  device_symbol(library, "cuDeviceGet", &get);
  device_symbol(library, "cuDevicePrimaryCtxRetain", &retain);
  device_symbol(library, "cuCtxSetCurrent", &set_current);
  device_symbol(library, "cuMemAlloc_v2", &memory->alloc);
  device_symbol(library, "cuMemFree_v2", &memory->free);
  device_symbol(library, "cuMemcpyHtoD_v2", &memory->upload);
  device_symbol(library, "cuMemcpyDtoH_v2", &memory->download);
  device_symbol(library, "cuCtxSynchronize", &memory->synchronize);
  if (init(0) != CUDA_SUCCESS || get(&device, ordinal) != CUDA_SUCCESS) return 0;
  device_check(retain(&context, device), "cuDevicePrimaryCtxRetain");
  device_check(set_current(context), "cuCtxSetCurrent");
  return 1;
}

/* Allocates `bytes` of device memory and fills it from `from`. */
static inline void* device_upload(const device_memory* memory, const void* from, size_t bytes) {
  CUdeviceptr pointer;
  device_check(memory->alloc(&pointer, bytes), "cuMemAlloc");
  device_check(memory->upload(pointer, from, bytes), "cuMemcpyHtoD");
  return (void*)(size_t)pointer;
}

/* Waits for all work in the context, then copies to the host. */
static inline void device_download(const device_memory* memory, void* to, const void* from, size_t bytes) {
  device_check(memory->synchronize(), "cuCtxSynchronize");
  device_check(memory->download(to, (CUdeviceptr)(size_t)from, bytes), "cuMemcpyDtoH");
}

static inline void device_free(const device_memory* memory, void* pointer) {
  device_check(memory->free((CUdeviceptr)(size_t)pointer), "cuMemFree");
}

#endif /* ATTNJIT_EXAMPLES_DEVICE_MEMORY_H_ */
