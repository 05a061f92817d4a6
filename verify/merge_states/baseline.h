// The low-precision baseline of merged states: attention states, each rounded to bf16, merged by plain loops. This is
// the best that merging rounded results can do; parts of a prompt and shards of a cache are judged by it.
#pragma once

#include <cstdint>
#include <vector>

#include "verify/reference/accuracy.h"

namespace attnjit::gpu_tests {

/// The best a kernel can hand to the merge: [tokens, heads, columns] in bf16, and lse [tokens, heads].
struct YardstickState {
  std::vector<std::uint16_t> out;
  std::vector<float> lse;
};
YardstickState yardstick_state(const reference::Expected& expected);

struct MergedYardstick {
  std::vector<float> out;  // before rounding
  std::vector<float> lse;

  /// For merging again.
  YardstickState state() const;
};
/// `rows` is tokens * heads.
MergedYardstick merge_yardsticks(const std::vector<YardstickState>& states, int rows, int columns);

}  // namespace attnjit::gpu_tests
