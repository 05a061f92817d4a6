// Runs one case of mla_decode and judges its output.
#pragma once

#include "verify/mla_decode/case.h"
#include "verify/mla_decode/tensors.h"

namespace attnjit::gpu_tests {

/// Fails the current test if `output` misses the accuracy bar or lies in the wrong place; records the errors with it.
void judge(const DecodeCase& c, const reference::Expected& expected, const Output& output);

/// Runs the case twice, judges the first output and requires the second one to be the same bit for bit.
void run_and_judge(const DecodeCase& c);

}  // namespace attnjit::gpu_tests
