// What joining rounded results is worth at best: the yardstick of attention states, each rounded to bf16, merged by
// plain loops. Parts of a prompt and shards of a cache are judged by it.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/reference/accuracy.h"

namespace attnjit::gpu_tests {

/// What a kernel at best hands to the merge: [tokens, heads, columns] in bf16, and lse [tokens, heads].
struct YardstickState {
  std::vector<std::uint16_t> out;
  std::vector<float> lse;
};
YardstickState yardstick_state(const reference::Expected& expected);

struct MergedYardstick {
  std::vector<float> out;  // before it is rounded
  std::vector<float> lse;

  /// To be merged again.
  YardstickState state() const;
};
/// `rows` is tokens * heads.
MergedYardstick merge_yardsticks(const std::vector<YardstickState>& states, int rows, int columns);

}  // namespace attnjit::gpu_tests
