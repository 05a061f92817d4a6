// Memory layouts of test tensors.
#pragma once

namespace attnjit::gpu_tests {

/// How a tensor [tokens, heads, columns] lies in its buffer. Every tensor is surrounded by unused space: NaN for
/// inputs, a poison pattern for outputs.
enum class Storage {
  kPacked,      ///< row-major
  kPadded,      ///< row-major with a gap after each row and each token
  kHeadsFirst,  ///< [heads, tokens, columns]: a transposed view
  kOneToken,    ///< token stride 0
  kOneHead,     ///< head stride 0
  kFarTokens,   ///< the last token's offset is past 2^31 elements
  kFarHeads,    ///< the last head's offset is past 2^31 elements
};

enum class LseStorage { kNone, kHeadsFirst, kTokensFirst, kPadded };

}  // namespace attnjit::gpu_tests
