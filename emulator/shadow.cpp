#include "emulator/shadow.h"

#include <algorithm>

namespace attnjit::emulator {
namespace {

/// Mask of the bytes of the word at `word_offset` that are within [offset, offset + bytes).
std::uint8_t byte_mask(u32 word_offset, u32 offset, u32 bytes) {
  if (word_offset >= offset && word_offset + 4 <= offset + bytes) return 15;
  std::uint8_t mask = 0;
  for (u32 i = 0; i < 4; ++i) {
    if (word_offset + i >= offset && word_offset + i < offset + bytes) mask |= static_cast<std::uint8_t>(1u << i);
  }
  return mask;
}

std::string place(int thread, const Site& site) {
  return fmt::format("thread {} (warp {}, lane {}) at {}", thread, thread / kWarpLanes, thread % kWarpLanes,
                     to_string(site));
}

}  // namespace

std::string Shadow::describe(const Access& access) {
  switch (access.kind) {
    case Kind::kRead: return "read by " + place(access.thread, access.site);
    case Kind::kWrite: return "write by " + place(access.thread, access.site);
    case Kind::kAtomic: return "atomic by " + place(access.thread, access.site);
    case Kind::kCopy: return "copy by " + place(access.thread, access.site);
    case Kind::kTileCopy: return "tile copy issued by " + place(access.thread, access.site);
    case Kind::kWgmmaRead:
      return fmt::format("wgmma of warpgroup {} at {}", access.thread / kWarpgroupThreads, to_string(access.site));
  }
  return "?";
}

Finding Shadow::conflict(const Access& access, const Access& before, u32 word, bool ordered) {
  const auto why = [&] {
    if (ordered) return "no fence_proxy_async lies between them";
    if (before.in_flight) return "the copy was not waited for";
    if (before.kind == Kind::kTileCopy) return "the copy's mbarrier was not waited for";
    if (before.kind == Kind::kWgmmaRead) return "no wait for the product and no barrier lie between them";
    return "no barrier lies between them";
  };
  return {ordered ? FaultKind::kMissingFence : FaultKind::kRace,
          fmt::format("shared offset {} to {}: {} after {}; {}", word * 4, word * 4 + 3, describe(access),
                      describe(before), why())};
}

std::optional<Finding> Shadow::touch(const Clocks::View& view, Access access, u32 offset, u32 bytes) {
  const bool is_write = access.is_write();
  const bool is_async = access.is_async();
  const bool is_atomic = access.kind == Kind::kAtomic;
  for (u32 index = offset / 4; index * 4 < offset + bytes; ++index) {
    Word& word = words_[index];
    const std::uint8_t mask = byte_mask(index * 4, offset, bytes);
    access.bytes = mask;
    // Earlier accesses that this one covers can be dropped: whatever is ordered after this one is also ordered after
    // them. A read covers only reads, and a read by the generic proxy covers none by the async proxy.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < word.accesses.size(); ++i) {
      const Access& before = word.accesses[i];
      const bool overlaps = (before.bytes & mask) != 0;
      const bool conflicts =
          overlaps && (before.is_write() || is_write) && !(before.kind == Kind::kAtomic && is_atomic);
      const bool same_agent =
          before.moment.agent == access.moment.agent && before.moment.agents == access.moment.agents;
      const bool known = !before.in_flight && view.knows(before.moment);
      if (conflicts) {
        if (!known) return conflict(access, before, index, /*ordered=*/false);
        // The copy writes through the async proxy. What the generic proxy only read needs no fence.
        if (is_async && !before.is_async() && before.is_write() && !view.fenced(before.moment)) {
          return conflict(access, before, index, /*ordered=*/true);
        }
      }
      const bool covered = (before.bytes & ~mask) == 0 && !before.in_flight &&
                           (is_write ? known : !before.is_write() && (known || (is_async && same_agent)));
      if (covered) continue;
      if (kept != i) word.accesses[kept] = before;
      ++kept;
    }
    word.accesses.resize(kept, access);
    if ((!is_write || is_atomic) && (word.written & mask) != mask) {
      return Finding{FaultKind::kUninitialisedRead, fmt::format("shared offset {} to {} was never written; {}",
                                                                index * 4, index * 4 + 3, describe(access))};
    }
    word.accesses.push_back(access);
    if (is_write) word.written |= mask;
  }
  return std::nullopt;
}

std::optional<Finding> Shadow::read(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks.view(thread), {{thread, 1, clocks.now(thread)}, thread, 0, Kind::kRead, false, site}, offset,
               bytes);
}

std::optional<Finding> Shadow::write(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks.view(thread), {{thread, 1, clocks.now(thread)}, thread, 0, Kind::kWrite, false, site}, offset,
               bytes);
}

std::optional<Finding> Shadow::atomic(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks.view(thread), {{thread, 1, clocks.now(thread)}, thread, 0, Kind::kAtomic, false, site}, offset,
               bytes);
}

std::optional<Finding> Shadow::begin_copy(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks.view(thread), {{thread, 1, clocks.now(thread)}, thread, 0, Kind::kCopy, true, site}, offset,
               bytes);
}

void Shadow::end_copy(const Clocks& clocks, int thread, u32 offset, u32 bytes) {
  for (u32 index = offset / 4; index * 4 < offset + bytes; ++index) {
    for (Access& access : words_[index].accesses) {
      if (!access.in_flight || access.thread != thread) continue;
      access.in_flight = false;
      access.moment.step = clocks.now(thread);
    }
  }
}

std::optional<Finding> Shadow::tile_copy(const Clocks::View& view, int thread, const Moment& moment, Site site,
                                         u32 offset, u32 bytes) {
  return touch(view, {moment, thread, 0, Kind::kTileCopy, false, site}, offset, bytes);
}

std::optional<Finding> Shadow::wgmma_read(const Clocks::View& view, int thread, const Moment& moment, Site site,
                                          u32 offset, u32 bytes) {
  return touch(view, {moment, thread, 0, Kind::kWgmmaRead, false, site}, offset, bytes);
}

}  // namespace attnjit::emulator
