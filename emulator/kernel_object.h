// Kernels as shared objects of the host: compiled once, kept in a folder by digest, opened.
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

/// An opened object. It stays open as long as the process runs: fibers that were left for good may hold its frames.
struct KernelObject {
  std::string name;
  std::filesystem::path path;
  KernelFunction function = nullptr;
  std::shared_ptr<runtime::TileCounters> tile_counters = std::make_shared<runtime::TileCounters>();  // its own
  bool compiled = false;  // by this call, not found in the folder
  double seconds = 0;     // that compiling took
};

class KernelObjects {
 public:
  /// Kernels of `templates`, which must outlive this. Objects are kept in `directory`, which is created. Who can write
  /// there decides what this process runs: it must belong to this user, and nobody else may write it.
  explicit KernelObjects(const std::filesystem::path& directory,
                         const jit::Templates& templates = jit::Templates::embedded());
  /// In the folder "emulator" of the place that cache/location.h chooses for kernels.
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
