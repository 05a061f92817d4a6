// KernelPlan -> cubin: the templates, the compilers, and the key that the result is cached under.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "attnjit/context.hpp"
#include "cache/entry.h"
#include "cache/key.h"
#include "jit/nvrtc.h"
#include "jit/target.h"
#include "jit/templates.h"
#include "runtime/compilers.h"
#include "runtime/kernel_plan.h"

namespace attnjit::runtime {

/// What the cache calls NVRTC.
inline constexpr const char* kCompilerName = "nvrtc";

/// Thread-safe.
class KernelBuilder {
 public:
  /// `template_dir`: empty for the embedded templates.
  KernelBuilder(const std::string& template_dir, jit::NvrtcSearch search, LogCallback log);

  const jit::Templates& templates() const { return *templates_; }
  /// The compiler for kernels that need at least this version; see Compilers::get().
  const jit::Nvrtc& nvrtc(jit::CompilerVersion oldest = jit::kOldestNvrtc) { return compilers_.get(oldest); }
  cache::KeyFields key_fields(const KernelPlan& plan, const jit::Target& target) const;
  /// Compiles for the target of `fields`.
  cache::Entry compile(const KernelPlan& plan, const cache::KeyFields& fields);

 private:
  const std::string& source_digest(const jit::KernelSpec& spec) const;

  LogCallback log_;
  Compilers compilers_;
  std::shared_ptr<const jit::Templates> templates_;
  mutable std::mutex mutex_;                                             // guards the digests
  mutable std::unordered_map<std::string, std::string> source_digests_;  // by family
};

}  // namespace attnjit::runtime
