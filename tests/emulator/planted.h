// Kernels written in a test and run as if they were kernel source: users of this file find emulator/ptx before
// templates/ptx.
#pragma once

#include <optional>
#include <string>

#include "emulator/launch.h"
#include "ptx/builtins.cuh"

namespace attnjit::emulator_tests {

template <class Params, void (*kBody)(const Params&)>
void planted_entry(emulator::Machine* machine, const void* params) {
  emulator::current_machine = machine;
  kBody(*static_cast<const Params*>(params));
}

/// Launches kBody; returns the fault that ended it, if any.
template <class Params, void (*kBody)(const Params&)>
std::optional<emulator::KernelFault> run_planted(const Params& params, const emulator::Grid& grid,
                                                 const emulator::LaunchOptions& options = {}) {
  try {
    launch(&planted_entry<Params, kBody>, &params, grid, options);
    return std::nullopt;
  } catch (const emulator::KernelFault& fault) {
    return fault;
  }
}

}  // namespace attnjit::emulator_tests
