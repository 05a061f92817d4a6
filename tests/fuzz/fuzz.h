// Shared by the fuzz targets.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace attnjit::fuzz {

/// A broken promise is a crash, which is what the fuzzer looks for.
inline void require(bool promise, const char* what) {
  if (promise) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace attnjit::fuzz
