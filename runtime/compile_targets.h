// Which target a device's kernels are compiled for: the first of its targets that NVRTC knows.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "jit/nvrtc.h"
#include "jit/target.h"

namespace attnjit::runtime {

/// Thread-safe.
class CompileTargets {
 public:
  /// `targets` in order of preference; not empty.
  explicit CompileTargets(std::vector<jit::Target> targets) : targets_(std::move(targets)) {}

  jit::Target current() const;
  /// Those after the current one.
  std::vector<jit::Target> later() const;
  /// Moves on to the next target that the compiler knows. Returns false if there is none, or if it knows the current
  /// one.
  bool fall_back(const jit::Nvrtc& compiler);

 private:
  const std::vector<jit::Target> targets_;
  mutable std::mutex mutex_;
  std::size_t current_ = 0;
};

}  // namespace attnjit::runtime
