#include "jit/memory_limit.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "attnjit/error.hpp"

namespace attnjit::jit {
namespace {

/// The largest kernels took 100 MB on top of the library (NVRTC 13.0, sm_90a, head dims 256).
constexpr std::size_t kPerCompile = std::size_t{128} << 20;

std::atomic<std::size_t> compiling{0};

std::string limit_as_text(decltype(RLIMIT_AS) which, const char* what, const char* option) {
  struct rlimit limit;
  if (::getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return fmt::format("the limit of {} ({} KiB, ulimit {})", what, limit.rlim_cur / 1024, option);
}

}  // namespace

std::string memory_limit() {
  const std::string space = limit_as_text(RLIMIT_AS, "address space", "-v");
  return space.empty() ? limit_as_text(RLIMIT_DATA, "data", "-d") : space;
}

void throw_memory_limit() {
  if (const std::string limit = memory_limit(); !limit.empty())
    throw Error(Status::kInternal, fmt::format("out of memory: {} leaves not enough; raise it", limit));
}

bool fits_under_memory_limit(std::size_t bytes) {
  if (memory_limit().empty()) return true;
  // Counts against both limits without touching a page.
  void* const place =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return false;
  ::munmap(place, bytes);
  return true;
}

CompileMemory::CompileMemory() {
  for (;;) {
    const std::size_t running = ++compiling;
    if (fits_under_memory_limit(running * kPerCompile)) return;
    --compiling;
    if (running == 1) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // another compile ends eventually
  }
  throw Error(Status::kNoCompiler,
              fmt::format("a compile needs some {} MiB, and NVRTC would end the process where it cannot have them: {} "
                          "leaves less; raise it",
                          kPerCompile >> 20, memory_limit()));
}

CompileMemory::~CompileMemory() { --compiling; }

}  // namespace attnjit::jit
