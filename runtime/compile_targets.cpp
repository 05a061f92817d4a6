#include "runtime/compile_targets.h"

namespace attnjit::runtime {

jit::Target CompileTargets::current() const {
  const std::lock_guard lock(mutex_);
  return targets_[current_];
}

std::vector<jit::Target> CompileTargets::later() const {
  const std::lock_guard lock(mutex_);
  return {targets_.begin() + static_cast<std::ptrdiff_t>(current_) + 1, targets_.end()};
}

bool CompileTargets::fall_back(const jit::Nvrtc& compiler) {
  const std::lock_guard lock(mutex_);
  std::size_t next = current_;
  while (next < targets_.size() && !compiler.supports(targets_[next])) ++next;
  if (next == current_ || next == targets_.size()) return false;
  current_ = next;
  return true;
}

}  // namespace attnjit::runtime
