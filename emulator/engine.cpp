// Engine: the scheduler. The primitives are in machine.cpp.
#include "emulator/engine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace attnjit::emulator {
namespace {

// Kernels keep their tiles in registers, so frames are small; the sanitizers make them larger. Untouched pages cost
// nothing.
constexpr std::size_t kStackBytes = 512 * 1024;
constexpr int kMaxThreads = 1024;

}  // namespace

Engine::Engine(std::vector<ConcurrentLaunch> launches, const LaunchOptions& options)
    : launches_(std::move(launches)), grid_(launches_.at(0).grid), options_(options), random_(options.seed) {
  const Grid& grid = grid_;
  if (grid.threads <= 0 || grid.threads % kWarpLanes != 0 || grid.threads > kMaxThreads) {
    throw std::invalid_argument(
        fmt::format("a CTA of {} threads; allowed are multiples of 32 up to {}", grid.threads, kMaxThreads));
  }
  grid_.ctas = 0;
  for (const ConcurrentLaunch& launch : launches_) {
    if (launch.grid.threads != grid.threads || launch.grid.smem_bytes != grid.smem_bytes) {
      throw std::invalid_argument("launches that run together have CTAs of the same size");
    }
    grid_.ctas += launch.grid.ctas;
    for (u32 i = 0; i < launch.grid.ctas; ++i) pending_.push_back({&launch, i});
  }
  std::reverse(pending_.begin(), pending_.end());
  random_.shuffle(pending_);
  const auto in_flight =
      std::min<std::size_t>(static_cast<std::size_t>(std::max(options.ctas_in_flight, 1)), grid.ctas);
  for (std::size_t i = 0; i < in_flight; ++i) {
    Cta& cta = *ctas_.emplace_back(std::make_unique<Cta>(grid.smem_bytes));
    cta.threads.reserve(static_cast<std::size_t>(grid.threads));
    for (int index = 0; index < grid.threads; ++index) {
      Thread& made = cta.threads.emplace_back(kStackBytes);
      made.cta = &cta;
      made.index = index;
    }
    cta.warpgroups.resize(static_cast<std::size_t>(grid.threads / kWarpgroupThreads));
    cta.warps.resize(static_cast<std::size_t>(grid.threads / kWarpLanes));
    for (std::size_t index = 0; index < cta.warps.size(); ++index) {
      cta.warps[index].cta = &cta;
      cta.warps[index].index = static_cast<int>(index);
      warps_.push_back(&cta.warps[index]);
    }
  }
}

LaunchResult Engine::run() {
  for (;;) {
    for (const auto& cta : ctas_) {
      if (cta->live > 0 || pending_.empty()) continue;
      start(*cta, pending_.back());
      pending_.pop_back();
    }
    Thread* const next = next_thread_or_landing();
    if (next == nullptr) break;
    switch_to(next);  // returns when a CTA is done or a fault occurred
    current_ = nullptr;
    if (fault_) throw KernelFault(*fault_);
  }
  LaunchResult result;
  result.switches = switches_;
  for (const KnownSite& known : sites_) result.sync_sites.push_back({known.what, known.site.file, known.site.line});
  std::sort(result.sync_sites.begin(), result.sync_sites.end());
  return result;
}

void Engine::start(Cta& cta, const Pending& pending) {
  cta.launch = pending.launch;
  cta.block = pending.block;
  cta.running = true;
  cta.live = grid_.threads;
  cta.at_barrier = 0;
  std::memset(cta.shared.data.get(), 0xff, grid_.smem_bytes);  // NaN in every type
  if (options_.race_check) {
    cta.shadow.emplace(grid_.smem_bytes);
    cta.clocks.emplace(grid_.threads);
  }
  cta.mbarriers.clear();
  cta.tile_copies.clear();
  cta.named_barriers.fill({});
  for (Warpgroup& warpgroup : cta.warpgroups) {
    warpgroup.meeting = 0;
    warpgroup.products.forget();
    warpgroup.registers.clear();
  }
  for (Thread& made : cta.threads) {
    made.state = Thread::State::kReady;
    made.copies.forget();
    made.products = {};
    made.fiber.start(&Engine::run_thread, this);
  }
  for (Warp& warp : cta.warps) {
    warp.ready = ~u32{0};
    warp.meeting = warp.at_barrier = 0;
    warp.first_lane = static_cast<int>(random_.below(kWarpLanes));
  }
}

void Engine::run_thread(void* engine) {
  Engine& self = *static_cast<Engine*>(engine);
  Thread* next = nullptr;
  try {
    const ConcurrentLaunch& launch = *self.current_->cta->launch;
    launch.kernel(&self, launch.params);
    next = self.end_thread();
  } catch (const KernelFault& fault) {
    self.fault_ = fault;
  }
  self.switch_to(next, /*current_ends=*/true);
}

Thread* Engine::end_thread() {
  Thread& ended = *current_;
  trace("exit", {"", 0});
  ended.state = Thread::State::kExited;
  // The results of a wgmma that was never waited for have nowhere to go.
  const auto warpgroup = static_cast<std::size_t>(warpgroup_of(ended));
  if (warpgroup < ended.cta->warpgroups.size()) ended.cta->warpgroups[warpgroup].products.forget();
  warp_of(ended).ready &= ~(u32{1} << ended.index % kWarpLanes);
  Cta& cta = *ended.cta;
  if (--cta.live == 0) {
    cta.running = false;
    return nullptr;
  }
  Thread* const next = next_thread_or_landing();
  if (next == nullptr) fail_deadlock();
  return next;
}

Thread* Engine::next_thread() {
  // Stays with the same warp while it can run, and now and then lets another one in.
  Warp* chosen = current_ != nullptr ? &warp_of(*current_) : nullptr;
  if (chosen == nullptr || chosen->ready == 0 || random_.one_in(64)) {
    const u32 count = static_cast<u32>(warps_.size());
    const u32 first = random_.below(count);
    chosen = nullptr;
    for (u32 i = 0; i < count && chosen == nullptr; ++i) {
      Warp* const warp = warps_[(first + i) % count];
      if (warp->ready != 0) chosen = warp;
    }
    if (chosen == nullptr) return nullptr;
  }
  const u32 turned = std::rotr(chosen->ready, chosen->first_lane);
  return &chosen->lane((std::countr_zero(turned) + chosen->first_lane) % kWarpLanes);
}

void Engine::switch_to(Thread* next, bool current_ends) {
  Fiber& from = current_ != nullptr ? current_->fiber : host_;
  Fiber& to = next != nullptr ? next->fiber : host_;
  if (&from == &to) return;
  ++switches_;
  current_ = next;
  if (next != nullptr) {
    thread = next->index;
    block = next->cta->block;
    ctas = next->cta->launch->grid.ctas;
    shared = next->cta->shared.data.get();
  }
  Fiber::switch_to(from, to, current_ends);
}

void Engine::wait(Thread::State state, Site site, const char* what) {
  Thread& waiting = *current_;
  waiting.state = state;
  waiting.site = site;
  waiting.what = what;
  warp_of(waiting).ready &= ~(u32{1} << waiting.index % kWarpLanes);
  sometimes_land(*waiting.cta);
  Thread* const next = next_thread_or_landing();
  if (next == nullptr) fail_deadlock();
  switch_to(next);
}

void Engine::make_ready(Thread& ready) {
  ready.state = Thread::State::kReady;
  warp_of(ready).ready |= u32{1} << ready.index % kWarpLanes;
}

Thread* Engine::next_thread_or_landing() {
  Thread* next = next_thread();
  while (next == nullptr && land_awaited()) next = next_thread();
  return next;
}

void Engine::sometimes_land(Cta& cta) {
  if (options_.completion != Completion::kRandom || !random_.one_in(4)) return;
  if (!cta.tile_copies.empty()) land(cta, random_.below(static_cast<u32>(cta.tile_copies.size())));
  for (Warpgroup& warpgroup : cta.warpgroups) {
    if (!warpgroup.products.empty() && random_.one_in(4)) warpgroup.products.finish_some(cta.address_zero(), random_);
  }
  cta.threads[random_.below(static_cast<u32>(grid_.threads))].copies.land_some(random_);
}

bool Engine::arrive_at_warp(Site site, const char* what, const void* operands) {
  Thread& arriving = *current_;
  Warp& warp = warp_of(arriving);
  const int lane = arriving.index % kWarpLanes;
  if (warp.meeting != 0) {
    const Thread& other = warp.lane(std::countr_zero(warp.meeting));
    if (other.site.line != site.line || std::strcmp(other.site.file, site.file) != 0) {
      fail(FaultKind::kDivergence,
           fmt::format("{}: lane {} is at {} of {}, lane {} at {} of {}; all 32 lanes of a warp "
                       "have to come to the same one",
                       here(site), lane, what, to_string(site), other.index % kWarpLanes, other.what,
                       to_string(other.site)));
    }
  }
  arriving.operands = operands;
  warp.meeting |= u32{1} << lane;
  if (warp.meeting == ~u32{0}) return true;
  wait(Thread::State::kAtWarpMeeting, site, what);
  return false;
}

void Engine::release_warp(Warp& warp) {
  warp.meeting = 0;
  warp.ready = ~u32{0};
  for (int lane = 0; lane < kWarpLanes; ++lane) warp.lane(lane).state = Thread::State::kReady;
  warp.first_lane = static_cast<int>(random_.below(kWarpLanes));
}

bool Engine::arrive_at_warpgroup(Site site, const char* what, const void* operands) {
  Thread& arriving = *current_;
  Cta& cta = *arriving.cta;
  const int warpgroup = warpgroup_of(arriving);
  if (static_cast<std::size_t>(warpgroup) >= cta.warpgroups.size()) {
    fail(FaultKind::kDivergence, fmt::format("{}: {} takes four warps, and the last {} threads of the CTA are fewer",
                                             here(site), what, grid_.threads % kWarpgroupThreads));
  }
  Warpgroup& group = cta.warpgroups[static_cast<std::size_t>(warpgroup)];
  const std::size_t first = static_cast<std::size_t>(warpgroup * kWarpgroupThreads);
  for (std::size_t i = 0; group.meeting > 0 && i < kWarpgroupThreads; ++i) {
    const Thread& other = cta.threads[first + i];
    if (other.state != Thread::State::kAtWarpgroupMeeting) continue;
    if (other.site.line == site.line && std::strcmp(other.site.file, site.file) == 0) break;
    fail(FaultKind::kDivergence,
         fmt::format("{}: {} meets thread {} at {} of {}; all threads of a warpgroup have to come to the same one",
                     here(site), what, other.index, other.what, to_string(other.site)));
  }
  arriving.operands = operands;
  if (++group.meeting == kWarpgroupThreads) return true;
  wait(Thread::State::kAtWarpgroupMeeting, site, what);
  return false;
}

void Engine::release_warpgroup(Cta& cta, int warpgroup) {
  cta.warpgroups[static_cast<std::size_t>(warpgroup)].meeting = 0;
  for (int i = 0; i < kWarpgroupThreads; ++i) {
    Thread& other = cta.threads[static_cast<std::size_t>(warpgroup * kWarpgroupThreads + i)];
    if (other.state == Thread::State::kAtWarpgroupMeeting) make_ready(other);
  }
}

void Engine::fail_deadlock() {
  std::string text = "no thread can go on";
  for (const auto& cta : ctas_) {
    if (cta->running) text += "\n" + describe_threads(*cta);
  }
  fail(FaultKind::kDeadlock, text);
}

LaunchResult launch(KernelFunction kernel, const void* params, const Grid& grid, const LaunchOptions& options) {
  return launch_together({{kernel, params, grid}}, options);
}

LaunchResult launch_together(const std::vector<ConcurrentLaunch>& launches, const LaunchOptions& options) {
  std::vector<ConcurrentLaunch> with_ctas;
  std::ranges::copy_if(launches, std::back_inserter(with_ctas), [](const auto& one) { return one.grid.ctas > 0; });
  if (with_ctas.empty()) return {};
  return Engine(std::move(with_ctas), options).run();
}

}  // namespace attnjit::emulator
