// Engine: the primitives of ptx/machine.h. They run on the calling thread's fiber.
#include <algorithm>
#include <cstring>

#include "emulator/engine.h"

namespace attnjit::emulator {

// ---- barriers and warp collectives

void Engine::sync_block(Site site) {
  if (dropped("sync_block", site)) return;
  trace("sync_block", site);
  Thread& arriving = *current_;
  Cta& cta = *arriving.cta;
  Warp& warp = warp_of(arriving);
  // bar.sync is .aligned: all lanes of a warp must execute the same one.
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    const Thread& other = warp.lane(lane);
    if (other.state != Thread::State::kAtBlockBarrier) continue;
    if (other.site.line == site.line && std::strcmp(other.site.file, site.file) == 0) break;
    fail(FaultKind::kDivergence,
         fmt::format("{}: lane {} is at sync_block of {}, lane {} at that of {}", here(site),
                     arriving.index % kWarpLanes, to_string(site), lane, to_string(other.site)));
  }
  if (++cta.at_barrier < grid_.threads) {
    wait(Thread::State::kAtBlockBarrier, site, "sync_block");
    return;
  }
  cta.at_barrier = 0;
  if (cta.clocks) cta.clocks->meet(0, grid_.threads);
  for (Thread& other : cta.threads) {
    if (other.state == Thread::State::kAtBlockBarrier) make_ready(other);
  }
  for (Warp& released : cta.warps) released.first_lane = static_cast<int>(random_.below(kWarpLanes));
}

void Engine::sync_warp(Site site) {
  if (dropped("sync_warp", site)) return;
  trace("sync_warp", site);
  if (!arrive_at_warp(site, "sync_warp", nullptr)) return;
  Warp& warp = warp_of(*current_);
  if (warp.cta->clocks) warp.cta->clocks->meet(warp.index * kWarpLanes, kWarpLanes);
  release_warp(warp);
}

void Engine::warp_collective(Site site, const char* instruction, void* operands, Perform perform) {
  if (!arrive_at_warp(site, instruction, operands)) return;
  Warp& warp = warp_of(*current_);
  void* lanes[kWarpLanes];
  for (int lane = 0; lane < kWarpLanes; ++lane) lanes[lane] = const_cast<void*>(warp.lane(lane).operands);
  perform(lanes);
  release_warp(warp);
}

// ---- memory

u32 Engine::shared_address(const void* pointer) {
  const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(shared);
  if (offset > grid_.smem_bytes) {  // one past the end is a valid address, as it is a valid pointer
    fail(FaultKind::kOutOfBounds, fmt::format("block {}, thread {}: shared_address() of a pointer that is not into the "
                                              "{} bytes of the CTA's shared memory",
                                              block, thread, grid_.smem_bytes));
  }
  return kSharedBase + static_cast<u32>(offset);
}

u32 Engine::checked_offset(Site site, u32 address, u32 bytes, const char* what) {
  const u32 offset = address - kSharedBase;
  if (address < kSharedBase || offset > grid_.smem_bytes || bytes > grid_.smem_bytes - offset) {
    fail(FaultKind::kOutOfBounds, fmt::format("{}: {} of {} bytes at shared offset {}, the CTA has {}", here(site),
                                              what, bytes, static_cast<i64>(address) - kSharedBase, grid_.smem_bytes));
  }
  if (address % bytes != 0) {
    fail(FaultKind::kMisaligned, fmt::format("{}: {} of {} bytes at shared offset {}, which is no multiple of {}",
                                             here(site), what, bytes, offset, bytes));
  }
  return offset;
}

void Engine::report(const std::optional<Finding>& finding) {
  if (finding) fail(finding->kind, fmt::format("block {}: {}", block, finding->message));
}

const u8* Engine::read_shared(Site site, u32 address, u32 bytes) {
  const u32 offset = checked_offset(site, address, bytes, "read");
  Cta& cta = *current_->cta;
  if (cta.shadow) report(cta.shadow->read(*cta.clocks, thread, site, offset, bytes));
  return shared + offset;
}

u8* Engine::write_shared(Site site, u32 address, u32 bytes) {
  const u32 offset = checked_offset(site, address, bytes, "write");
  Cta& cta = *current_->cta;
  if (cta.shadow) report(cta.shadow->write(*cta.clocks, thread, site, offset, bytes));
  return shared + offset;
}

void Engine::atomic_or_shared(Site site, u32 address, u32 bits) {
  const u32 offset = checked_offset(site, address, sizeof(bits), "atomic");
  Cta& cta = *current_->cta;
  if (cta.shadow) report(cta.shadow->atomic(*cta.clocks, thread, site, offset, sizeof(bits)));
  u32 value;
  std::memcpy(&value, shared + offset, sizeof(value));
  value |= bits;
  std::memcpy(shared + offset, &value, sizeof(value));
}

void Engine::check_global(Site site, const void* address, u32 bytes) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) {
    fail(FaultKind::kMisaligned, fmt::format("{}: {} bytes of global memory at an address that is no multiple of {}",
                                             here(site), bytes, bytes));
  }
}

void Engine::direct_access(const void* place, const void* pointer, u32 bytes, bool is_write) {
  Cta& cta = *current_->cta;
  if (!cta.shadow) return;
  const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(shared);
  if (offset >= grid_.smem_bytes) return;
  const u32 at = static_cast<u32>(offset);
  const u32 within = std::min(bytes, grid_.smem_bytes - at);
  const Site site{static_cast<const char*>(place), Site::kCodeAddress};
  try {
    report(is_write ? cta.shadow->write(*cta.clocks, thread, site, at, within)
                    : cta.shadow->read(*cta.clocks, thread, site, at, within));
    return;
  } catch (const KernelFault& fault) {
    fault_ = fault;
  }
  // The compiler assumes that a hook of -fsanitize=thread cannot throw, so an exception must not cross the kernel's
  // frames. The thread is abandoned where it is; nothing on its stack owns anything.
  switch_to(nullptr, /*current_ends=*/true);
}

// ---- asynchronous copies

void Engine::async_copy(Site site, u32 destination, const void* source, u32 bytes, u32 valid) {
  const u32 offset = checked_offset(site, destination, bytes, "asynchronous copy");
  if (valid > 0) check_global(site, source, bytes);
  Cta& cta = *current_->cta;
  if (cta.shadow) report(cta.shadow->begin_copy(*cta.clocks, thread, site, offset, bytes));
  trace("cp_async", site, fmt::format("{} bytes to {}", valid, offset));
  current_->copies.issue({.to = shared + offset,
                          .from = source,
                          .bytes = bytes,
                          .valid = valid,
                          .offset = offset,
                          .group = 0,
                          .landed = false},
                         options_.completion, random_);
}

void Engine::async_commit(Site site) {
  if (dropped("cp_async_commit", site)) return;
  trace("cp_async_commit", site);
  current_->copies.commit();
}

void Engine::async_wait(Site site, int pending) {
  if (dropped("cp_async_wait", site)) return;
  trace("cp_async_wait", site, fmt::format("{} may be pending", pending));
  Cta& cta = *current_->cta;
  for (const AsyncCopies::Copy& copy : current_->copies.wait(pending, options_.completion, random_)) {
    if (cta.shadow) cta.shadow->end_copy(*cta.clocks, thread, copy.offset, copy.bytes);
  }
}

// ---- bookkeeping

std::string Engine::here(Site site) const {
  return fmt::format("block {}, thread {} (warp {}, lane {}) at {}", block, thread, thread / kWarpLanes,
                     thread % kWarpLanes, to_string(site));
}

bool Engine::dropped(const char* what, Site site) {
  for (const KnownSite& known : sites_) {
    if (known.site.line == site.line &&
        (known.site.file == site.file || std::strcmp(known.site.file, site.file) == 0) &&
        std::strcmp(known.what, what) == 0) {
      return known.dropped;
    }
  }
  const SyncSite& wanted = options_.dropped;
  const bool drop = wanted.what == what && wanted.line == site.line && wanted.file == site.file;
  sites_.push_back({what, site, drop});
  return drop;
}

void Engine::trace(const char* what, Site site, const std::string& detail) {
  if (options_.trace == nullptr || block != options_.traced_block || thread % kWarpLanes != 0) return;
  options_.trace->push_back({block, thread / kWarpLanes, what, detail, site});
}

namespace {

std::string which_barrier(const Thread& waiting) {
  if (waiting.state == Thread::State::kAtNamedBarrier) return fmt::format(" {}", waiting.which);
  if (waiting.state != Thread::State::kAtMbarrier) return "";
  const MbarrierState& barrier = waiting.cta->mbarriers[static_cast<std::size_t>(waiting.which)];
  return fmt::format(" of parity {} (shared offset {}: {} phases ended, {} of {} arrivals and {} bytes missing)",
                     waiting.parity, barrier.offset, barrier.phase, barrier.pending, barrier.arrivals, barrier.bytes);
}

}  // namespace

std::string describe_threads(const Cta& cta) {
  std::string text;
  for (const Warp& warp : cta.warps) {
    int first = 0;
    while (first < kWarpLanes) {
      const Thread& from = warp.lane(first);
      const auto same = [&](const Thread& other) {
        return other.state == from.state &&
               (from.state == Thread::State::kExited || from.state == Thread::State::kReady ||
                (other.site.line == from.site.line && std::strcmp(other.site.file, from.site.file) == 0));
      };
      int last = first;
      while (last + 1 < kWarpLanes && same(warp.lane(last + 1))) ++last;
      const std::string state =
          from.state == Thread::State::kExited ? "exited"
          : from.state == Thread::State::kReady
              ? "ready"
              : fmt::format("waiting for {}{} at {}", from.what, which_barrier(from), to_string(from.site));
      text += fmt::format("{}block {} warp {} lanes {}-{}: {}", text.empty() ? "" : "\n", cta.block, warp.index, first,
                          last, state);
      first = last + 1;
    }
  }
  return text;
}

}  // namespace attnjit::emulator
