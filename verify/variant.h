// Which SM a test case's kernels are planned for; all run on the available device.
#pragma once

#include "operators/kernel_set.h"
#include "runtime/sm_features.h"

namespace attnjit::gpu_tests {

/// Whose SM features the kernels are planned for.
enum class Variant {
  kOwn,
  kSm80,
  kSm86,
  kSm89,
  kSm90,  ///< without sm_90a-only features: the kernels for every SM, with this SM's shared memory
};

/// How many SMs to plan for: large tiles are chosen if there is work for all of them, small ones if not.
enum class Tiles { kAsPlanned, kLarge, kSmall };

inline const char* to_string(Variant variant) {
  switch (variant) {
    case Variant::kOwn: return "own";
    case Variant::kSm80: return "sm80";
    case Variant::kSm86: return "sm86";
    case Variant::kSm89: return "sm89";
    case Variant::kSm90: return "sm90";
  }
  return "?";
}

/// Features to plan with for a variant; `own` are those of the compile target.
inline runtime::SmFeatures features_of(Variant variant, Tiles tiles, const runtime::SmFeatures& own) {
  runtime::SmFeatures features = own;
  switch (variant) {
    case Variant::kOwn: break;
    case Variant::kSm80: features = runtime::sm_features({8, 0, 0}); break;
    case Variant::kSm86: features = runtime::sm_features({8, 6, 0}); break;
    case Variant::kSm89: features = runtime::sm_features({8, 9, 0}); break;
    case Variant::kSm90: features = runtime::sm_features({9, 0, 0}); break;
  }
  features.sm_count = own.sm_count;
  if (tiles == Tiles::kLarge) features.sm_count = 1;
  if (tiles == Tiles::kSmall) features.sm_count = 1 << 20;
  return features;
}

/// What a tile setting forces: the kernel, and few CTAs for all tiles, so each works on several.
inline runtime::Forced forced_by(Tiles tiles) {
  switch (tiles) {
    case Tiles::kAsPlanned: break;
    case Tiles::kLarge: return {.plan = 0, .ctas = 1};
    case Tiles::kSmall: return {.plan = 1, .ctas = 3};
  }
  return {};
}

}  // namespace attnjit::gpu_tests
