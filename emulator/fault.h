// What the emulator finds wrong with a kernel.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

enum class FaultKind {
  kOutOfBounds,        ///< outside the CTA's shared memory
  kMisaligned,         ///< an address that the instruction does not take
  kDivergence,         ///< lanes of a warp meet at different sites
  kDeadlock,           ///< nobody can go on
  kRace,               ///< two accesses that nothing orders
  kUninitialisedRead,  ///< of shared memory that was never written
  kMissingFence,       ///< what is ordered among threads, but not for the asynchronous proxy or for wgmma
  kMisuse,             ///< an instruction that is given what it does not take
};

const char* to_string(FaultKind kind);

/// The kernel did something that it must not; the launch ended there.
class KernelFault : public std::runtime_error {
 public:
  KernelFault(FaultKind kind, const std::string& message)
      : std::runtime_error(fmt::format("{}: {}", to_string(kind), message)), kind_(kind) {}
  FaultKind kind() const { return kind_; }

 private:
  FaultKind kind_;
};

/// "core/softmax.cuh:42"; of a code address too where addr2line is installed, else object and offset.
std::string to_string(const Site& site);

}  // namespace attnjit::emulator
