// The accuracy bar: how far an output may be from the float64 reference, and how a failure is reported.
//
//   16-bit:  max error over the tensor <= 2 x the low-precision baseline's max error + 1e-5
//   lse:     error of a row <= 1e-4 + 2e-6 x max over its keys of softmax_scale * sum_d |q_d k_d|; -inf exactly
//   e4m3:    >= 99 % of the codes equal the rounded reference, and none is further than one step, wherever a kernel
//            that rounds P to the input type can do that. See judge_e4m3.
//   A row without any key has out = 0 and lse = -inf. NaN fails everywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "verify/reference/low_precision.h"

namespace attnjit::reference {

/// Everything an output is compared with, row-major: [tokens, heads, columns], lse [tokens, heads].
struct Expected {
  int tokens = 0;
  int heads = 0;
  int columns = 0;
  std::vector<double> out{};
  std::vector<double> lse{};
  std::vector<double> magnitude{};       // see device/params.h
  std::vector<float> yardstick{};        // before rounding to the output type
  Element element = Element::kBFloat16;  // the inputs' type, or the output's if it has a 16-bit type of its own
  /// Rows to compare; empty: all. Isolation tests leave out the poisoned sequence.
  std::vector<char> judged_tokens{};

  bool judged(int token) const { return judged_tokens.empty() || judged_tokens[token] != 0; }
};

/// The outcome of a comparison.
struct Verdict {
  double error = 0;            // the largest; for e4m3 the share of codes that differ
  double allowed = 0;          // the largest allowed
  double yardstick_error = 0;  // the baseline's own
  std::int64_t elements = 0;
  std::int64_t wrong = 0;
  std::string worst;  // the worst of the wrong elements: position, both values and the allowed error

  bool ok() const { return worst.empty(); }
  /// One line: what `ok` is based on, or position, both values and the share of wrong elements.
  std::string message() const;
};

Verdict judge_16bit(const Expected& expected, const std::vector<std::uint16_t>& out);
/// float32 output: judged by the 16-bit bar, with the baseline unrounded.
Verdict judge_float(const Expected& expected, const std::vector<float>& out);

/// Two things may move a code off the rounded reference although nothing is wrong: a reference close to the middle
/// between two codes, and a reference close to 0, where an e4m3 step is smaller than the error that rounding P leaves
/// in any 16-bit kernel. With randn inputs in bf16, 3 to 6 % of the baseline's own codes differ, some by two steps and
/// more. Therefore:
///   - a code may be one step off, or as far as an error within the bar of 16-bit outputs takes it;
///   - 1 % of the codes may differ, or 1.5 x the share of the baseline's codes that do, if that is more.
/// Where P is exact in the input type (one key, equal keys, a dominant key) this is the plain rule: 99 %, one step.
Verdict judge_e4m3(const Expected& expected, const std::vector<std::uint8_t>& out, float out_scale);

/// `error` is relative to what its row allows, and `allowed` is 1.
Verdict judge_lse(const Expected& expected, const std::vector<float>& lse);

}  // namespace attnjit::reference
