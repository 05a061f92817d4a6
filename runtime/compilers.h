// The NVRTCs of a Context: which one compiles a kernel. Opened when something has to be compiled.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "attnjit/context.hpp"
#include "jit/nvrtc.h"

namespace attnjit::runtime {

/// Thread-safe.
class Compilers {
 public:
  /// A search that failed is made again after `pause`; till then its error is repeated.
  Compilers(jit::NvrtcSearch search, LogCallback log, std::chrono::milliseconds pause = std::chrono::seconds(3))
      : search_(std::move(search)), log_(std::move(log)), pause_(pause) {}

  /// The first of the search's places that is of use; where that is older than `oldest`, the first that is not. Lives
  /// as long as this. Throws Error(kNoCompiler) without any, and jit::CompilerTooOld where there are only older ones.
  const jit::Nvrtc& get(jit::CompilerVersion oldest = jit::kOldestNvrtc);

 private:
  struct Failure {
    std::string message;
    std::chrono::steady_clock::time_point until;
  };
  std::shared_ptr<const jit::Nvrtc> opened(jit::CompilerVersion oldest);
  std::shared_ptr<const jit::Nvrtc> search(jit::CompilerVersion oldest);

  const jit::NvrtcSearch search_;
  const LogCallback log_;
  const std::chrono::milliseconds pause_;
  std::mutex opening_;  // held by the one that opens an NVRTC; taken before mutex_
  std::mutex mutex_;    // guards what follows
  std::map<jit::CompilerVersion, std::shared_ptr<const jit::Nvrtc>> opened_;  // by what was asked for
  std::map<jit::CompilerVersion, Failure> failed_;
};

}  // namespace attnjit::runtime
