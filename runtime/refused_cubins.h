// Cubins that this process's driver refused to load.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "cache/entry.h"

namespace attnjit::runtime {

/// A refusal covers one kernel compiled by one compiler: a driver may refuse one of a compiler's cubins and load all
/// others. Thread-safe.
class RefusedCubins {
 public:
  /// `reason` is a whole sentence: which driver, which cubin, and the driver's error.
  void add(const std::string& key, const cache::CompilerId& compiler, const std::string& reason);
  /// Called when that compiler's new cubin of the kernel has loaded.
  void forget(const std::string& key, const cache::CompilerId& compiler);
  bool contains(const std::string& key, const cache::CompilerId& compiler) const;
  /// Why a cubin of this kernel was refused; empty if none was.
  std::string reason(const std::string& key) const;

 private:
  using Cubin = std::pair<std::string, std::string>;  // key, compiler with version

  mutable std::mutex mutex_;  // guards the members below
  std::map<Cubin, std::string> reasons_;
};

/// "nvrtc 13.0"
std::string compiler_text(const cache::CompilerId& compiler);

}  // namespace attnjit::runtime
