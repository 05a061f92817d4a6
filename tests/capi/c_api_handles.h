// RAII owners of C ABI handles, and the smallest context and config, shared by these tests.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "attnjit/attnjit.h"

namespace attnjit {

template <class Handle, void (*kDestroy)(Handle*)>
class Owner {
 public:
  Owner() = default;
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~Owner() { kDestroy(handle_); }
  Handle** out() { return &handle_; }
  Handle* get() const { return handle_; }
  void reset() { kDestroy(std::exchange(handle_, nullptr)); }

 private:
  Handle* handle_ = nullptr;
};
using ContextHandle = Owner<attnjit_context, attnjit_context_destroy>;
using OpHandle = Owner<attnjit_mha_varlen, attnjit_mha_varlen_destroy>;

/// No device, no file: runs anywhere and leaves nothing behind.
inline attnjit_context_options compile_only_options(const char* arch = "sm_90a") {
  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  options.device = -1;
  options.arch = arch;
  options.cache_path = ":memory:";
  return options;
}

inline ContextHandle compile_only_context(const char* arch = "sm_90a") {
  const attnjit_context_options options = compile_only_options(arch);
  ContextHandle context;
  EXPECT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  return context;
}

inline attnjit_mha_varlen_config small_config() {
  attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  config.head_dim_qk = 32;
  config.head_dim_v = 16;
  return config;
}

}  // namespace attnjit
