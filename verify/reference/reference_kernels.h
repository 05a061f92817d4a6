// The plain kernels in verify/reference/device, compiled and cached like the library's own, and launched.
#pragma once

#include <cuda.h>

#include <string>

#include "cache/kernel_cache.h"
#include "runtime/driver.h"
#include "runtime/kernel_loader.h"
#include "verify/reference/plain_kernels.h"

namespace attnjit::reference {

/// The text NVRTC compiles: all of device/ in one.
std::string device_text();

/// Compiles the plain kernels for the loader's target, or finds them in its cache. Needs no driver.
cache::Found prepare_reference_kernels(runtime::KernelLoader& loader);

/// Launches run in the current CUDA context. Tensors without elements launch nothing.
class ReferenceKernels final : public PlainKernels {
 public:
  explicit ReferenceKernels(runtime::KernelLoader& loader);
  ~ReferenceKernels() override;
  ReferenceKernels(const ReferenceKernels&) = delete;
  ReferenceKernels& operator=(const ReferenceKernels&) = delete;

  void reference(const AttentionParams& params, Element element, CUstream stream) const override;
  void yardstick(const AttentionParams& params, Element element, CUstream stream) const override;
  void decode_reference(const DecodeParams& params, Element element, CUstream stream) const override;
  void decode_yardstick(const DecodeParams& params, Element element, CUstream stream) const override;
  void merge(const MergeParams& params, CUstream stream) const override;
  void fill(const FillParams& params, CUstream stream) const override;
  void take(const TakeParams& params, CUstream stream) const override;
  void count(const CountParams& params, CUstream stream) const override;
  void scatter(const ScatterParams& params, CUstream stream) const override;

 private:
  struct Kernels {
    CUkernel reference_bf16, reference_f16, yardstick_bf16, yardstick_f16, decode_reference_bf16, decode_reference_f16,
        decode_yardstick_bf16, decode_yardstick_f16, merge, fill, take, count, scatter;
  };
  void attend(CUkernel bf16, CUkernel f16, const AttentionParams& params, Element element, CUstream stream) const;
  void decode(CUkernel bf16, CUkernel f16, const DecodeParams& params, Element element, CUstream stream) const;
  void launch(CUkernel kernel, i64 blocks, unsigned threads, const void* params, CUstream stream) const;

  const runtime::Driver& driver_;
  CUlibrary library_ = nullptr;
  Kernels kernels_{};
};

}  // namespace attnjit::reference
