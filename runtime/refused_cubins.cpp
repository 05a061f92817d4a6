#include "runtime/refused_cubins.h"

#include <fmt/format.h>

namespace attnjit::runtime {

void RefusedCubins::add(const std::string& key, const cache::CompilerId& compiler, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  reasons_[{key, compiler_text(compiler)}] = reason;
}

void RefusedCubins::forget(const std::string& key, const cache::CompilerId& compiler) {
  const std::lock_guard lock(mutex_);
  reasons_.erase({key, compiler_text(compiler)});
}

bool RefusedCubins::contains(const std::string& key, const cache::CompilerId& compiler) const {
  const std::lock_guard lock(mutex_);
  return reasons_.contains({key, compiler_text(compiler)});
}

std::string RefusedCubins::reason(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto first = reasons_.lower_bound({key, ""});
  return first != reasons_.end() && first->first.first == key ? first->second : "";
}

std::string compiler_text(const cache::CompilerId& compiler) {
  return fmt::format("{} {}.{}", compiler.name, compiler.major, compiler.minor);
}

}  // namespace attnjit::runtime
