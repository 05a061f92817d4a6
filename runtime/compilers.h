// The NVRTCs of a Context: which one compiles a kernel. Opened when something has to be compiled.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "attnjit/context.hpp"
#include "jit/nvrtc.h"

namespace attnjit::runtime {

/// Thread-safe.
class Compilers {
 public:
  Compilers(jit::NvrtcSearch search, LogCallback log) : search_(std::move(search)), log_(std::move(log)) {}

  /// The first of the search's places that is of use; where that is older than `oldest`, the first that is not. Lives
  /// as long as this. Throws Error(kNoCompiler) without any, and jit::CompilerTooOld where there are only older ones.
  const jit::Nvrtc& get(jit::CompilerVersion oldest = jit::kOldestNvrtc);

 private:
  std::shared_ptr<const jit::Nvrtc> opened(jit::CompilerVersion oldest);

  const jit::NvrtcSearch search_;
  const LogCallback log_;
  std::mutex opening_;  // held by the one that opens an NVRTC; taken before mutex_
  std::mutex mutex_;    // guards what follows
  std::map<jit::CompilerVersion, std::shared_ptr<const jit::Nvrtc>> opened_;  // by what was asked for
};

}  // namespace attnjit::runtime
