#include "runtime/compilers.h"

#include <fmt/format.h>

#include <utility>

namespace attnjit::runtime {

std::shared_ptr<const jit::Nvrtc> Compilers::opened(jit::CompilerVersion oldest) {
  const std::lock_guard lock(mutex_);
  const auto found = opened_.find(oldest);
  return found == opened_.end() ? nullptr : found->second;
}

/// A failed search looks in every place and opens what is there, so it is not repeated for each request.
std::shared_ptr<const jit::Nvrtc> Compilers::search(jit::CompilerVersion oldest) {
  {
    const std::lock_guard lock(mutex_);
    const auto failed = failed_.find(oldest);
    if (failed != failed_.end() && std::chrono::steady_clock::now() < failed->second.until) {
      throw Error(Status::kNoCompiler, failed->second.message);
    }
  }
  jit::NvrtcSearch search = search_;
  search.oldest = oldest;
  try {
    return jit::Nvrtc::open(search);
  } catch (const Error& error) {
    const std::lock_guard lock(mutex_);
    failed_.insert_or_assign(oldest, Failure{error.what(), std::chrono::steady_clock::now() + pause_});
    throw;
  }
}

const jit::Nvrtc& Compilers::get(jit::CompilerVersion oldest) {
  const jit::Nvrtc* usual = nullptr;
  if (oldest > jit::kOldestNvrtc) {
    usual = &get();
    if (usual->version() >= oldest) return *usual;
  }
  if (const auto nvrtc = opened(oldest)) return *nvrtc;  // entries stay in the map
  std::shared_ptr<const jit::Nvrtc> nvrtc;
  {
    // Opening takes 0.1 s; threads that need no compiler do not wait for it.
    const std::lock_guard opening(opening_);
    if (const auto other = opened(oldest)) return *other;
    try {
      nvrtc = search(oldest);
    } catch (const Error& error) {
      if (usual == nullptr) throw;
      throw jit::CompilerTooOld(
          fmt::format("it needs NVRTC {}, and {} is what there is: {}", oldest.name(), usual->name(), error.what()));
    }
    const std::lock_guard lock(mutex_);
    opened_.emplace(oldest, nvrtc);
  }
  // No lock is held while the host's callback runs.
  log_(LogLevel::kInfo, fmt::format("compiling with {}", nvrtc->name()));
  return *nvrtc;
}

}  // namespace attnjit::runtime
