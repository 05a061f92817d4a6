// Runs one case and judges its output.
#pragma once

#include "verify/mha_varlen/case.h"
#include "verify/mha_varlen/tensors.h"

namespace attnjit::gpu_tests {

/// Fails the current test if `output` misses the accuracy bar or lies in the wrong place; records the errors with it.
void judge(const Case& c, const reference::Expected& expected, const Output& output);

/// Runs the case twice, judges the first output and requires the second one to be the same bit for bit.
void run_and_judge(const Case& c);

}  // namespace attnjit::gpu_tests
