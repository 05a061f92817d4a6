#include "emulator/clocks.h"

#include <algorithm>

namespace attnjit::emulator {
namespace {

void join(std::uint32_t* __restrict to, const std::uint32_t* __restrict from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = std::max(to[i], from[i]);
}

}  // namespace

Clocks::Clocks(int threads)
    : threads_(threads),
      agents_(threads + threads / kWarpLanes + kMaxMbarriers),
      clocks_(static_cast<std::size_t>(threads) * static_cast<std::size_t>(agents_) * 2, 0),
      changes_(static_cast<std::size_t>(threads), 0),
      common_(static_cast<std::size_t>(threads / kWarpgroupThreads)) {
  for (int thread = 0; thread < threads; ++thread) row(thread)[thread] = 1;
}

Clocks::View Clocks::view_of_warpgroup(int warpgroup) {
  Common& common = common_[static_cast<std::size_t>(warpgroup)];
  const int first = warpgroup * kWarpgroupThreads;
  std::uint64_t changes = 0;
  for (int i = 0; i < kWarpgroupThreads; ++i) changes += changes_[static_cast<std::size_t>(first + i)];
  if (changes != common.changes) {
    common.changes = changes;
    common.row.assign(row(first), row(first) + agents_ * 2);
    for (int i = 1; i < kWarpgroupThreads; ++i) {
      const std::uint32_t* const other = row(first + i);
      for (std::size_t k = 0; k < common.row.size(); ++k) common.row[k] = std::min(common.row[k], other[k]);
    }
  }
  return {common.row.data(), agents_};
}

void Clocks::meet(int first_thread, int count) {
  Row joined = empty_row();
  for (int thread = first_thread; thread < first_thread + count; ++thread)
    join(joined.data(), row(thread), joined.size());
  for (int thread = first_thread; thread < first_thread + count; ++thread) {
    std::copy(joined.begin(), joined.end(), row(thread));
    tick(thread);
  }
}

void Clocks::release(int thread, Row& into) {
  join(into.data(), row(thread), into.size());
  tick(thread);
}

void Clocks::acquire(int thread, const Row& from) {
  join(row(thread), from.data(), from.size());
  ++changes_[static_cast<std::size_t>(thread)];
}

void Clocks::learn(int thread, int agent, std::uint32_t step) {
  std::uint32_t& known = row(thread)[agent];
  known = std::max(known, step);
  ++changes_[static_cast<std::size_t>(thread)];
}

void Clocks::learn(Row& row, int agent, std::uint32_t step) {
  std::uint32_t& known = row[static_cast<std::size_t>(agent)];
  known = std::max(known, step);
}

void Clocks::fence(int thread) {
  join(row(thread) + agents_, row(thread), static_cast<std::size_t>(agents_));
  tick(thread);
}

}  // namespace attnjit::emulator
