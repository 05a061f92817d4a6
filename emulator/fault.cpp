#include "emulator/fault.h"

namespace attnjit::emulator {

const char* to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::kOutOfBounds: return "out of bounds";
    case FaultKind::kMisaligned: return "misaligned address";
    case FaultKind::kDivergence: return "divergent warp";
    case FaultKind::kDeadlock: return "deadlock";
    case FaultKind::kRace: return "race";
    case FaultKind::kUninitialisedRead: return "uninitialised read";
  }
  return "?";
}

std::string to_string(const Site& site) { return fmt::format("{}:{}", site.file, site.line); }

}  // namespace attnjit::emulator
