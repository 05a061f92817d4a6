// Faults that the emulator finds in a kernel.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

enum class FaultKind {
  kOutOfBounds,        ///< outside the CTA's shared memory
  kMisaligned,         ///< an address that the instruction does not accept
  kDivergence,         ///< lanes of a warp arrive at different sites of a collective
  kDeadlock,           ///< no thread can continue
  kRace,               ///< two unordered accesses
  kUninitialisedRead,  ///< of shared memory that was never written
  kMissingFence,       ///< ordered among threads, but not for the async proxy or for wgmma
  kMisuse,             ///< invalid operands of an instruction
};

const char* to_string(FaultKind kind);

/// The kernel did something illegal; the launch was stopped there.
class KernelFault : public std::runtime_error {
 public:
  KernelFault(FaultKind kind, const std::string& message)
      : std::runtime_error(fmt::format("{}: {}", to_string(kind), message)), kind_(kind) {}
  FaultKind kind() const { return kind_; }

 private:
  FaultKind kind_;
};

/// "core/softmax.cuh:42". Also for a code address, if addr2line is installed; otherwise object and offset.
std::string to_string(const Site& site);

}  // namespace attnjit::emulator
