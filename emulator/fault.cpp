#include "emulator/fault.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <memory>

namespace attnjit::emulator {

const char* to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::kOutOfBounds: return "out of bounds";
    case FaultKind::kMisaligned: return "misaligned address";
    case FaultKind::kDivergence: return "divergent warp";
    case FaultKind::kDeadlock: return "deadlock";
    case FaultKind::kRace: return "race";
    case FaultKind::kUninitialisedRead: return "uninitialised read";
    case FaultKind::kMissingFence: return "missing fence";
    case FaultKind::kMisuse: return "misuse";
  }
  return "?";
}

namespace {

/// For messages only, so starting a process is acceptable.
std::string place_of_code(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return fmt::format("code address {}", address);
  // The known address is the return address; one byte before it belongs to the call.
  const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase) - 1;
  const std::string path = info.dli_fname;
  const std::string unresolved = fmt::format("{}+{:#x}", path, offset);
  if (path.find('\'') != std::string::npos) return unresolved;
  const std::string command = fmt::format("addr2line -e '{}' {:#x} 2>/dev/null", path, offset);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char line[512];
  if (pipe == nullptr || std::fgets(line, sizeof(line), pipe.get()) == nullptr || line[0] == '?') return unresolved;
  const std::string text = line;
  const std::size_t start = text.starts_with("./") ? 2 : 0;
  return text.substr(start, text.find_first_of(" \n") - start);
}

}  // namespace

std::string to_string(const Site& site) {
  return site.line == Site::kCodeAddress ? place_of_code(site.file) : fmt::format("{}:{}", site.file, site.line);
}

}  // namespace attnjit::emulator
