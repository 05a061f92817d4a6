// What a call would launch: each step with its parameter, without a device.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/kernel_set.h"
#include "templates/shared/tile_counters.h"

namespace attnjit::test_support {

inline constexpr std::uintptr_t kWorkspaceAddress = 0x10000000;

/// For kernels whose parameter is an `Args`.
template <class Args>
class WouldLaunch final : public runtime::Launcher {
 public:
  struct Launch : runtime::Step {
    Args args;
  };

  template <class Call>
  WouldLaunch(const runtime::KernelSet<Call>& kernels, const Call& call, const runtime::Forced& forced = {}) {
    runtime::run(kernels, call, kernels.schedule(call, forced), *this);
  }
  const std::vector<Launch>& launches() const { return launches_; }
  std::size_t workspace_bytes() const { return workspace_bytes_; }

  void encode(const runtime::TensorMapRequest&, kernel::TensorMap& map) override { map = {}; }
  int tile_counter(int) override { return kernel::kNoTileCounter; }
  void* workspace(std::size_t bytes) override {
    workspace_bytes_ = bytes;
    return reinterpret_cast<void*>(kWorkspaceAddress);
  }
  void launch(const runtime::Step& step, const void* args) override {
    launches_.push_back({step, *static_cast<const Args*>(args)});
  }

 private:
  std::vector<Launch> launches_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace attnjit::test_support
