// The NVRTCs of a Context, and which of them compiles a kernel. Opened on the first compile.
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
  /// A failed search is retried after `pause`; until then its error is repeated.
  Compilers(jit::NvrtcSearch search, LogCallback log, std::chrono::milliseconds pause = std::chrono::seconds(3))
      : search_(std::move(search)), log_(std::move(log)), pause_(pause) {}

  /// The first usable place of the search; if its version is below `oldest`, the first place that is new enough. Lives
  /// as long as this object. Throws Error(kNoCompiler) if there is no NVRTC, jit::CompilerTooOld if all are too old.
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
  std::mutex opening_;  // held while opening an NVRTC; taken before mutex_
  std::mutex mutex_;    // guards the members below
  std::map<jit::CompilerVersion, std::shared_ptr<const jit::Nvrtc>> opened_;  // by requested version
  std::map<jit::CompilerVersion, Failure> failed_;
};

}  // namespace attnjit::runtime
