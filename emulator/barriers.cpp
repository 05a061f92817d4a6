// Engine: mbarriers, named barriers and TMA copies.
#include "emulator/barriers.h"

#include <algorithm>
#include <cstring>

#include "emulator/engine.h"

namespace attnjit::emulator {
namespace {

constexpr u32 kMaxArrivals = (1u << 20) - 1;  // also limits the bytes, PTX ISA 9.7.13.15.2
constexpr u32 kTileAlignment = 128;
constexpr std::int64_t kBoxAlignment = 16;  // in the tensor; otherwise the H200 reports an illegal instruction

}  // namespace

// ---- mbarriers

void Engine::mbarrier_init(Site site, u32 barrier, u32 arrivals) {
  if (dropped("mbarrier_init", site)) return;
  const u32 offset = checked_offset(site, barrier, sizeof(u64), "mbarrier_init");
  if (arrivals < 1 || arrivals > kMaxArrivals) {
    fail(FaultKind::kMisuse,
         fmt::format("{}: an mbarrier of {} arrivals; allowed are 1 to {}", here(site), arrivals, kMaxArrivals));
  }
  Cta& cta = *current_->cta;
  for (const MbarrierState& other : cta.mbarriers) {
    if (other.offset == offset) {
      fail(FaultKind::kMisuse,
           fmt::format("{}: the mbarrier at shared offset {} was initialised before", here(site), offset));
    }
  }
  if (cta.mbarriers.size() == Clocks::kMaxMbarriers) {
    fail(FaultKind::kMisuse, fmt::format("{}: more than {} mbarriers", here(site), Clocks::kMaxMbarriers));
  }
  MbarrierState& made = cta.mbarriers.emplace_back();
  made.offset = offset;
  made.index = static_cast<int>(cta.mbarriers.size()) - 1;
  made.arrivals = made.pending = arrivals;
  const u64 stamp = MbarrierState::kStamp + offset;
  std::memcpy(shared + offset, &stamp, sizeof(stamp));
  if (!cta.shadow) return;
  report(cta.shadow->write(*cta.clocks, thread, site, offset, sizeof(stamp)));
  made.initialised = {thread, 1, cta.clocks->now(thread)};
  made.arrived = made.ended = cta.clocks->empty_row();
}

MbarrierState& Engine::mbarrier_at(Site site, u32 barrier, const char* what) {
  const u32 offset = checked_offset(site, barrier, sizeof(u64), what);
  Cta& cta = *current_->cta;
  const auto found = std::ranges::find(cta.mbarriers, offset, &MbarrierState::offset);
  if (found == cta.mbarriers.end()) {
    fail(FaultKind::kMisuse,
         fmt::format("{}: {} on shared offset {}, where no mbarrier was initialised", here(site), what, offset));
  }
  u64 stamp;
  std::memcpy(&stamp, shared + offset, sizeof(stamp));
  if (stamp != MbarrierState::kStamp + offset) {
    fail(FaultKind::kMisuse,
         fmt::format("{}: {} on shared offset {}, whose mbarrier was written over", here(site), what, offset));
  }
  if (cta.clocks && !cta.clocks->view(thread).knows(found->initialised)) {
    fail(FaultKind::kRace, fmt::format("{}: {} on the mbarrier at shared offset {}; no barrier lies between this and "
                                       "its initialisation by thread {}",
                                       here(site), what, offset, found->initialised.agent));
  }
  return *found;
}

void Engine::arrive(Site site, MbarrierState& barrier) {
  if (barrier.pending == 0) {
    fail(FaultKind::kMisuse,
         fmt::format("{}: the mbarrier at shared offset {} has all {} arrivals of its phase {}, and "
                     "still waits for {} bytes: one more is too many",
                     here(site), barrier.offset, barrier.arrivals, barrier.phase, barrier.bytes));
  }
  Cta& cta = *current_->cta;
  if (cta.clocks) cta.clocks->release(thread, barrier.arrived);
  --barrier.pending;
  end_phase(cta, barrier);
}

void Engine::end_phase(Cta& cta, MbarrierState& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  const u32 ended_parity = barrier.phase % 2;
  ++barrier.phase;
  barrier.pending = barrier.arrivals;
  if (cta.clocks) {
    Clocks::learn(barrier.arrived, cta.clocks->mbarrier_agent(barrier.index), barrier.phase);
    std::swap(barrier.arrived, barrier.ended);
    std::ranges::fill(barrier.arrived, 0);
  }
  for (Thread& waiting : cta.threads) {
    if (waiting.state != Thread::State::kAtMbarrier || waiting.which != barrier.index ||
        waiting.parity != ended_parity) {
      continue;
    }
    if (cta.clocks) cta.clocks->acquire(waiting.index, barrier.ended);
    make_ready(waiting);
  }
}

void Engine::mbarrier_arrive(Site site, u32 barrier) {
  if (dropped("mbarrier_arrive", site)) return;
  trace("mbarrier_arrive", site);
  arrive(site, mbarrier_at(site, barrier, "mbarrier_arrive"));
}

void Engine::mbarrier_arrive_expect(Site site, u32 barrier, u32 bytes) {
  if (dropped("mbarrier_arrive_expect", site)) return;
  trace("mbarrier_arrive_expect", site, fmt::format("{} bytes", bytes));
  MbarrierState& state = mbarrier_at(site, barrier, "mbarrier_arrive_expect");
  state.bytes += bytes;
  if (state.bytes > kMaxArrivals) {
    fail(FaultKind::kMisuse, fmt::format("{}: an mbarrier counts up to {} bytes, and {} are expected", here(site),
                                         kMaxArrivals, state.bytes));
  }
  arrive(site, state);
}

bool Engine::phase_ended(Site site, const MbarrierState& barrier, u32 parity) {
  if (parity > 1) fail(FaultKind::kMisuse, fmt::format("{}: a parity of {}; allowed are 0 and 1", here(site), parity));
  if (barrier.phase % 2 == parity) return false;
  if (current_->cta->clocks) current_->cta->clocks->acquire(current_->index, barrier.ended);
  return true;
}

bool Engine::mbarrier_test(Site site, u32 barrier, u32 parity) {
  if (dropped("mbarrier_test", site)) return true;
  trace("mbarrier_test", site, fmt::format("parity {}", parity));
  const MbarrierState& state = mbarrier_at(site, barrier, "mbarrier_test");
  if (options_.completion == Completion::kLate || (options_.completion == Completion::kRandom && random_.one_in(2))) {
    return false;
  }
  return phase_ended(site, state, parity);
}

void Engine::mbarrier_wait(Site site, u32 barrier, u32 parity) {
  if (dropped("mbarrier_wait", site)) return;
  trace("mbarrier_wait", site, fmt::format("parity {}", parity));
  MbarrierState& state = mbarrier_at(site, barrier, "mbarrier_wait");
  if (phase_ended(site, state, parity)) return;
  Thread& waiting = *current_;
  waiting.which = state.index;
  waiting.parity = parity;
  wait(Thread::State::kAtMbarrier, site, "mbarrier_wait");
}

void Engine::fence_mbarrier_init(Site site) {
  if (dropped("fence_mbarrier_init", site)) return;
  for (MbarrierState& barrier : current_->cta->mbarriers) {
    if (barrier.initialised.agent == thread) barrier.fenced = true;
  }
}

void Engine::fence_proxy_async(Site site) {
  if (dropped("fence_proxy_async", site)) return;
  if (current_->cta->clocks) current_->cta->clocks->fence(thread);
}

// ---- named barriers

void Engine::named_barrier(Site site, int barrier, int threads, bool waits) {
  const char* const what = waits ? "named_barrier_sync" : "named_barrier_arrive";
  if (dropped(what, site)) return;
  trace(what, site, fmt::format("{}", barrier));
  Cta& cta = *current_->cta;
  if (barrier < 1 || barrier >= static_cast<int>(cta.named_barriers.size()) || threads <= 0 ||
      threads % kWarpLanes != 0 || threads > grid_.threads) {
    fail(FaultKind::kMisuse, fmt::format("{}: {} {} of {} threads; allowed are 1 to 15 (0 is the whole CTA's) and "
                                         "multiples of 32 up to {}",
                                         here(site), what, barrier, threads, grid_.threads));
  }
  Warp& warp = warp_of(*current_);
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    const Thread& other = warp.lane(lane);
    if (other.state != Thread::State::kAtNamedBarrier) continue;
    if (other.site.line == site.line && std::strcmp(other.site.file, site.file) == 0) break;
    fail(FaultKind::kDivergence,
         fmt::format("{}: lane {} is at {} of {}, lane {} at {} of {}", here(site), thread % kWarpLanes, what,
                     to_string(site), lane, other.what, to_string(other.site)));
  }
  NamedBarrierState& state = cta.named_barriers[static_cast<std::size_t>(barrier)];
  if (state.count == 0) {
    state.threads = threads;
    if (cta.clocks) state.arrived = cta.clocks->empty_row();
  } else if (state.threads != threads) {
    fail(FaultKind::kMisuse, fmt::format("{}: {} {} of {} threads, where others who came said {}", here(site), what,
                                         barrier, threads, state.threads));
  }
  if (state.came[static_cast<std::size_t>(thread)]) {
    fail(FaultKind::kMisuse, fmt::format("{}: {} {} a second time, with {} of {} threads still missing", here(site),
                                         what, barrier, threads - state.count, threads));
  }
  state.came.set(static_cast<std::size_t>(thread));
  if (cta.clocks) cta.clocks->release(thread, state.arrived);
  if (++state.count < threads) {
    current_->which = barrier;
    if (waits) wait(Thread::State::kAtNamedBarrier, site, what);
    return;
  }
  for (Thread& other : cta.threads) {
    if (other.state != Thread::State::kAtNamedBarrier || other.which != barrier) continue;
    if (cta.clocks) cta.clocks->acquire(other.index, state.arrived);
    make_ready(other);
  }
  if (waits && cta.clocks) cta.clocks->acquire(thread, state.arrived);
  state = {};
}

// ---- TMA copies

void Engine::tma_load(Site site, u32 destination, const kernel::TensorMap& map, u32 barrier, int column, int head,
                      int token) {
  if (reinterpret_cast<std::uintptr_t>(&map) % alignof(kernel::TensorMap) != 0) {
    fail(FaultKind::kMisaligned, fmt::format("{}: a tensor map at an address that is no multiple of {}", here(site),
                                             alignof(kernel::TensorMap)));
  }
  const TensorDescription* const tensor = description_of(map);
  if (tensor == nullptr) {
    fail(FaultKind::kMisuse, fmt::format("{}: a tensor map that nobody encoded", here(site)));
  }
  if (const std::int64_t byte = std::int64_t{column} * tensor->element_bytes(); byte % kBoxAlignment != 0) {
    fail(FaultKind::kMisaligned,
         fmt::format("{}: a box that begins {} bytes into a row, no multiple of {}", here(site), byte, kBoxAlignment));
  }
  MbarrierState& state = mbarrier_at(site, barrier, "tma_load");
  const u32 bytes = tensor->box_bytes();
  if (destination % kTileAlignment != 0) {
    fail(FaultKind::kMisaligned, fmt::format("{}: a box to shared offset {}, which is no multiple of {}", here(site),
                                             static_cast<i64>(destination) - kSharedBase, kTileAlignment));
  }
  const u32 offset = destination - kSharedBase;
  if (destination < kSharedBase || offset > grid_.smem_bytes || bytes > grid_.smem_bytes - offset) {
    fail(FaultKind::kOutOfBounds, fmt::format("{}: a box of {} bytes to shared offset {}, the CTA has {}", here(site),
                                              bytes, static_cast<i64>(destination) - kSharedBase, grid_.smem_bytes));
  }
  Cta& cta = *current_->cta;
  if (cta.shadow) {
    if (!state.fenced) {
      fail(FaultKind::kMissingFence, fmt::format("{}: no fence_mbarrier_init after the initialisation of the mbarrier "
                                                 "at shared offset {}, which is to count the copy",
                                                 here(site), state.offset));
    }
    const Moment moment{cta.clocks->mbarrier_agent(state.index), 1, state.phase + 1};
    report(cta.shadow->tile_copy(cta.clocks->view(thread), thread, moment, site, offset, bytes));
  }
  trace("tma_load", site, fmt::format("{} bytes to {}", bytes, offset));
  cta.tile_copies.push_back({*tensor, column, head, token, offset, bytes, state.index});
  if (options_.completion == Completion::kEarly || (options_.completion == Completion::kRandom && random_.one_in(4))) {
    land(cta, cta.tile_copies.size() - 1);
  }
}

void Engine::land(Cta& cta, std::size_t tile_copy) {
  const TileCopy copy = cta.tile_copies[tile_copy];
  cta.tile_copies.erase(cta.tile_copies.begin() + static_cast<std::ptrdiff_t>(tile_copy));
  copy_box(copy.tensor, copy.column, copy.head, copy.token, cta.shared.data.get() + copy.offset,
           kSharedBase + copy.offset);
  MbarrierState& barrier = cta.mbarriers[static_cast<std::size_t>(copy.barrier)];
  barrier.bytes -= copy.bytes;
  end_phase(cta, barrier);
}

bool Engine::land_awaited() {
  std::vector<std::pair<Cta*, int>> awaited;
  for (const auto& cta : ctas_) {
    if (!cta->running) continue;
    for (const TileCopy& copy : cta->tile_copies) {
      const bool wanted = std::ranges::any_of(cta->threads, [&](const Thread& waiting) {
        return waiting.state == Thread::State::kAtMbarrier && waiting.which == copy.barrier;
      });
      if (wanted) awaited.emplace_back(cta.get(), copy.barrier);
    }
  }
  if (awaited.empty()) return false;
  const auto [cta, barrier] = awaited[random_.below(static_cast<u32>(awaited.size()))];
  for (std::size_t i = cta->tile_copies.size(); i-- > 0;) {
    if (cta->tile_copies[i].barrier == barrier) land(*cta, i);
  }
  return true;
}

}  // namespace attnjit::emulator
