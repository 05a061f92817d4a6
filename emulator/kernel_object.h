// Kernels as host shared objects: compiled once, stored in a folder by digest, opened with dlopen.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "emulator/launch.h"
#include "jit/source.h"
#include "jit/templates.h"
#include "runtime/tile_counters.h"

namespace attnjit::emulator {

/// An open object. It stays open for the life of the process: abandoned fibers may still hold its frames.
struct KernelObject {
  std::string name;
  std::filesystem::path path;
  KernelFunction function = nullptr;
  std::shared_ptr<runtime::TileCounters> tile_counters = std::make_shared<runtime::TileCounters>();  // its own
  bool compiled = false;  // by this call, not found in the folder
  double seconds = 0;     // compile time
};

class KernelObjects {
 public:
  /// Kernels from `templates`, which must outlive this. Objects are stored in `directory`, which is created if needed.
  /// Whoever can write there decides what this process runs: it must belong to this user, and nobody else may have
  /// write access.
  explicit KernelObjects(const std::filesystem::path& directory,
                         const jit::Templates& templates = jit::Templates::embedded());
  /// The folder "emulator" in the place that cache/location.h chooses for kernels.
  static std::filesystem::path beside_cache();

  /// Thread-safe. Throws Error(kNoCompiler), CompileError.
  const KernelObject& get(const jit::KernelSpec& spec, bool race_check);

  const std::filesystem::path& directory() const { return directory_; }

 private:
  std::filesystem::path directory_;
  const jit::Templates* templates_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();  // guards what follows
  std::map<std::string, KernelObject> open_;                            // by digest
};

}  // namespace attnjit::emulator
