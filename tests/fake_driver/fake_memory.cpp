// The functions that the GPU suite looks up in libcuda in addition to the library's own, so that its cases can be set
// up and called without a GPU. Memory has addresses but no content: writes succeed, reads are refused.
#include <cuda.h>

#include <atomic>
#include <cstdint>

// Functions that the library itself uses are found as the library finds them.
extern "C" CUresult cuGetProcAddress_v2(const char* name, void** address, int version, cuuint64_t flags,
                                        CUdriverProcAddressQueryResult* result);

namespace {

template <class Function>
Function* library_function(Function*, const char* name) {
  void* address = nullptr;
  cuGetProcAddress_v2(name, &address, 12000, 0, nullptr);
  return reinterpret_cast<Function*>(address);
}

}  // namespace

extern "C" {
CUresult cuMemAlloc(CUdeviceptr* address, std::size_t bytes) {
  return library_function(&cuMemAlloc, "cuMemAlloc")(address, bytes);
}
CUresult cuMemFree(CUdeviceptr address) { return library_function(&cuMemFree, "cuMemFree")(address); }
CUresult cuMemcpyHtoD(CUdeviceptr, const void*, std::size_t) { return CUDA_SUCCESS; }
CUresult cuMemcpyDtoH(void*, CUdeviceptr, std::size_t) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuMemsetD8(CUdeviceptr, unsigned char, std::size_t) { return CUDA_SUCCESS; }
CUresult cuMemsetD16(CUdeviceptr, unsigned short, std::size_t) { return CUDA_SUCCESS; }
CUresult cuMemsetD32(CUdeviceptr, unsigned, std::size_t) { return CUDA_SUCCESS; }
CUresult cuCtxSynchronize() { return CUDA_SUCCESS; }
CUresult cuStreamCreate(CUstream* stream, unsigned) {
  static std::atomic<std::uintptr_t> last{0x10000};
  *stream = reinterpret_cast<CUstream>(++last);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream stream) {
  return library_function(&cuStreamSynchronize, "cuStreamSynchronize")(stream);
}
CUresult cuStreamBeginCapture(CUstream, CUstreamCaptureMode) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuStreamEndCapture(CUstream, CUgraph*) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuGraphInstantiateWithFlags(CUgraphExec*, CUgraph, unsigned long long) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuGraphLaunch(CUgraphExec, CUstream) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuGraphExecDestroy(CUgraphExec) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuGraphDestroy(CUgraph) { return CUDA_ERROR_NOT_SUPPORTED; }
}
