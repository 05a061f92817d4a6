// Implementation of attnjit::Context: the device, its SM features, and the loader that operators get their kernels
// from.
#pragma once

#include <cuda.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "attnjit/context.hpp"
#include "runtime/kernel_loader.h"
#include "runtime/sm_features.h"

namespace attnjit {

class ATTNJIT_LOCAL Context::Impl {
 public:
  explicit Impl(ContextOptions options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const ContextOptions& options() const { return options_; }
  const std::string& arch() const { return arch_; }
  bool has_device() const { return device_.has_value(); }
  const runtime::SmFeatures& features() const { return features_; }
  runtime::KernelLoader& loader() { return *loader_; }

  /// Makes a CUDA context of this device current for the guard's lifetime: the caller's own if there is one (an Error
  /// if it belongs to another device), else the device's primary context.
  class CurrentContext {
   public:
    explicit CurrentContext(Impl& impl);
    ~CurrentContext();
    CurrentContext(const CurrentContext&) = delete;
    CurrentContext& operator=(const CurrentContext&) = delete;

   private:
    Impl& impl_;
    bool pushed_ = false;
  };

 private:
  CUcontext primary_context();
  void check_generation() const;

  ContextOptions options_;
  std::string arch_;
  std::uint32_t generation_ = process::generation();
  std::optional<CUdevice> device_;
  runtime::SmFeatures features_;
  std::unique_ptr<runtime::KernelLoader> loader_;
  std::once_flag primary_once_;
  CUcontext primary_ = nullptr;
};

struct ContextAccess {
  using Impl = Context::Impl;
  static const std::shared_ptr<Impl>& impl(const Context& context) { return context.impl_; }
};

namespace runtime {

inline const std::shared_ptr<ContextAccess::Impl>& context_impl(const Context& context) {
  return ContextAccess::impl(context);
}
using CurrentContext = ContextAccess::Impl::CurrentContext;

}  // namespace runtime
}  // namespace attnjit
