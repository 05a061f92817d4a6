// Types of vector loads and stores.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

struct alignas(16) Vec16 {
  u32 word[4];
};
struct alignas(8) Float2 {
  float x;
  float y;
};

}  // namespace attnjit::kernel
