// Engine: wgmma and setmaxnreg.
#include <cstring>

#include "emulator/engine.h"

namespace attnjit::emulator {
namespace {

constexpr u32 kSwizzle128 = 1;
constexpr u32 kChunk = 16;

}  // namespace

void Engine::wgmma(Site site, const Wgmma& product) {
  if (!arrive_at_warpgroup(site, "wgmma", &product)) return;
  Cta& cta = *current_->cta;
  const int warpgroup = warpgroup_of(*current_);
  check_wgmma(site, warpgroup);
  issue_wgmma(site, warpgroup);
  release_warpgroup(cta, warpgroup);
}

void Engine::check_wgmma(Site site, int warpgroup) {
  Cta& cta = *current_->cta;
  const Thread& first = cta.threads[static_cast<std::size_t>(warpgroup * kWarpgroupThreads)];
  const auto operation_of = [](const Thread& of) -> const Wgmma& { return *static_cast<const Wgmma*>(of.operands); };
  const Wgmma& operation = operation_of(first);
  for (int i = 1; i < kWarpgroupThreads; ++i) {
    const Thread& other = cta.threads[static_cast<std::size_t>(warpgroup * kWarpgroupThreads + i)];
    const Wgmma& theirs = operation_of(other);
    if (theirs.a != operation.a || theirs.b != operation.b || theirs.accumulate != operation.accumulate ||
        other.products.groups != first.products.groups) {
      fail(FaultKind::kDivergence,
           fmt::format("{}: thread {} and thread {} of a warpgroup differ in descriptors, in whether to accumulate, or "
                       "in the groups they committed",
                       here(site), first.index, other.index));
    }
    if (other.products.last_fence == 0) {
      fail(FaultKind::kMissingFence, fmt::format("{}: thread {} never came to a wgmma_fence", here(site), other.index));
    }
  }
  for (const u64 bits : {operation.a, operation.b}) {
    const MatrixDescriptor descriptor(bits);
    if (bits == operation.a && operation.a_registers != nullptr) continue;
    if (descriptor.layout != kSwizzle128 || descriptor.base_offset != 0) {
      fail(FaultKind::kMisuse,
           fmt::format("{}: a descriptor {:#x} of layout {} and base offset {}; the emulator has the 128-byte swizzle "
                       "(1) and an offset of 0",
                       here(site), bits, descriptor.layout, descriptor.base_offset));
    }
  }
  // Registers not used by a wgmma in flight are assumed to have been accessed since they became free.
  const auto check_registers = [&](const void* registers, int columns, const char* what) {
    if (registers == nullptr) return;
    const Warpgroup& group = cta.warpgroups[static_cast<std::size_t>(warpgroup)];
    const auto known = group.registers.find(registers);
    const bool is_known = known != group.registers.end();
    if (is_known && known->second.in_flight && known->second.columns == columns) return;
    const u32 free_since = is_known ? known->second.free_since : first.products.last_wait;
    if (first.products.last_fence > free_since) return;
    fail(FaultKind::kMissingFence,
         fmt::format("{}: no wgmma_fence lies between what was done to the product's {} and the product", here(site),
                     what));
  };
  check_registers(operation.d, operation.columns, "accumulators");
  check_registers(operation.a_registers, 0, "left operand");

  Products::for_each_chunk(operation, [&](u32 address) { checked_offset(site, address, kChunk, "wgmma's read"); });
  if (!cta.shadow) return;
  const Clocks::View view = cta.clocks->view_of_warpgroup(warpgroup);
  const Moment moment{cta.clocks->warp_agent(warpgroup * kWarpgroupThreads / kWarpLanes),
                      kWarpgroupThreads / kWarpLanes, first.products.groups + 1};
  Products::for_each_chunk(operation, [&](u32 address) {
    report(cta.shadow->wgmma_read(view, first.index, moment, site, address - kSharedBase, kChunk));
  });
}

void Engine::issue_wgmma(Site site, int warpgroup) {
  Cta& cta = *current_->cta;
  Warpgroup& group = cta.warpgroups[static_cast<std::size_t>(warpgroup)];
  Products::Product product{};
  for (std::size_t i = 0; i < kWarpgroupThreads; ++i) {
    const Thread& member = cta.threads[static_cast<std::size_t>(warpgroup * kWarpgroupThreads) + i];
    const auto& operation = *static_cast<const Wgmma*>(member.operands);
    if (i == 0) {
      product.operation = operation;
      product.group = member.products.groups;
    }
    product.d[i] = operation.d;
    product.a[i] = operation.a_registers;
  }
  trace("wgmma", site, fmt::format("64 x {} x 16", product.operation.columns));
  group.registers[product.d[0]] = {true, product.group, product.operation.columns, 0};
  if (product.a[0] != nullptr) group.registers[product.a[0]] = {true, product.group, 0, 0};
  group.products.issue(product, cta.address_zero(), options_.completion, random_);
}

void Engine::wgmma_fence(Site site) {
  if (dropped("wgmma_fence", site)) return;
  trace("wgmma_fence", site);
  current_->products.last_fence = ++current_->products.events;
}

void Engine::wgmma_commit(Site site) {
  if (dropped("wgmma_commit", site)) return;
  trace("wgmma_commit", site);
  ++current_->products.groups;
}

void Engine::wgmma_wait(Site site, int pending) {
  if (dropped("wgmma_wait", site)) return;
  trace("wgmma_wait", site, fmt::format("{} may be pending", pending));
  Thread& waiting = *current_;
  Cta& cta = *waiting.cta;
  const auto warpgroup = static_cast<std::size_t>(warpgroup_of(waiting));
  if (warpgroup >= cta.warpgroups.size()) return;
  Warpgroup& group = cta.warpgroups[warpgroup];
  waiting.products.last_wait = ++waiting.products.events;
  // Signed: the number of committed groups may be smaller than the number that may stay pending.
  const std::int64_t first_pending = std::int64_t{waiting.products.groups} - pending;
  group.products.finish(first_pending, cta.address_zero());
  if (waiting.index % kWarpgroupThreads == 0) {
    for (auto& [address, registers] : group.registers) {
      if (!registers.in_flight || registers.group >= first_pending) continue;
      registers.in_flight = false;
      registers.free_since = waiting.products.last_wait;
    }
  }
  if (cta.clocks && first_pending > 0) {
    cta.clocks->learn(waiting.index, cta.clocks->warp_agent(waiting.index / kWarpLanes),
                      static_cast<std::uint32_t>(first_pending));
  }
}

void Engine::set_registers(Site site, int registers) {
  if (registers < 24 || registers > 256 || registers % 8 != 0) {
    fail(FaultKind::kMisuse,
         fmt::format("{}: setmaxnreg of {}; allowed are multiples of 8 from 24 to 256", here(site), registers));
  }
  if (!arrive_at_warpgroup(site, "setmaxnreg", nullptr)) return;
  release_warpgroup(*current_->cta, warpgroup_of(*current_));
}

}  // namespace attnjit::emulator
