#include "emulator/shadow.h"

#include <algorithm>

namespace attnjit::emulator {
namespace {

/// Of the word at `word_offset`, the bytes within [offset, offset + bytes).
std::uint8_t byte_mask(u32 word_offset, u32 offset, u32 bytes) {
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

Clocks::Clocks(int threads) : threads_(static_cast<std::size_t>(threads)), clocks_(threads_ * threads_, 0) {
  for (std::size_t thread = 0; thread < threads_; ++thread) clocks_[thread * threads_ + thread] = 1;
}

void Clocks::meet(int first_thread, int count) {
  const auto row = [&](int thread) { return clocks_.begin() + static_cast<std::ptrdiff_t>(thread * threads_); };
  const auto width = static_cast<std::ptrdiff_t>(threads_);
  std::vector<std::uint32_t> joined(row(first_thread), row(first_thread) + width);
  for (int thread = first_thread + 1; thread < first_thread + count; ++thread) {
    std::transform(joined.begin(), joined.end(), row(thread), joined.begin(),
                   [](std::uint32_t a, std::uint32_t b) { return std::max(a, b); });
  }
  for (int thread = first_thread; thread < first_thread + count; ++thread) {
    std::copy(joined.begin(), joined.end(), row(thread));
    ++*(row(thread) + thread);
  }
}

std::optional<Finding> Shadow::touch(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes, Kind kind) {
  const bool is_write = kind != Kind::kRead;
  const bool is_atomic = kind == Kind::kAtomic;
  const bool in_flight = kind == Kind::kCopy;
  for (u32 index = offset / 4; index * 4 < offset + bytes; ++index) {
    Word& word = words_[index];
    const std::uint8_t mask = byte_mask(index * 4, offset, bytes);
    const Access access{thread, clocks.now(thread), mask, is_write, is_atomic, in_flight, site};
    for (const Access& before : word.accesses) {
      if ((before.bytes & mask) == 0 || (!before.is_write && !is_write) || (before.is_atomic && is_atomic)) continue;
      if (!before.in_flight && clocks.knows(thread, before.thread, before.step)) continue;
      const auto verb = [](const Access& a) {
        return a.in_flight ? "copy" : a.is_atomic ? "atomic" : a.is_write ? "write" : "read";
      };
      return Finding{FaultKind::kRace,
                     fmt::format("shared offset {} to {}: {} by {} after {} by {}; {}", index * 4, index * 4 + 3,
                                 verb(access), place(thread, site), verb(before), place(before.thread, before.site),
                                 before.in_flight ? "the copy was not waited for" : "no barrier lies between them")};
    }
    if ((!is_write || is_atomic) && (word.written & mask) != mask) {
      return Finding{FaultKind::kUninitialisedRead, fmt::format("shared offset {} to {} was never written; read by {}",
                                                                index * 4, index * 4 + 3, place(thread, site))};
    }
    // What comes before this access and is covered by it is not needed again: whoever is ordered after this one is so
    // after that one. A read covers reads only.
    std::erase_if(word.accesses, [&](const Access& before) {
      return !before.in_flight && (before.bytes & ~mask) == 0 && (is_write || !before.is_write) &&
             clocks.knows(thread, before.thread, before.step);
    });
    word.accesses.push_back(access);
    if (is_write) word.written |= mask;
  }
  return std::nullopt;
}

std::optional<Finding> Shadow::read(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks, thread, site, offset, bytes, Kind::kRead);
}

std::optional<Finding> Shadow::write(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks, thread, site, offset, bytes, Kind::kWrite);
}

std::optional<Finding> Shadow::atomic(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks, thread, site, offset, bytes, Kind::kAtomic);
}

std::optional<Finding> Shadow::begin_copy(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes) {
  return touch(clocks, thread, site, offset, bytes, Kind::kCopy);
}

void Shadow::end_copy(const Clocks& clocks, int thread, u32 offset, u32 bytes) {
  for (u32 index = offset / 4; index * 4 < offset + bytes; ++index) {
    for (Access& access : words_[index].accesses) {
      if (!access.in_flight || access.thread != thread) continue;
      access.in_flight = false;
      access.step = clocks.now(thread);
    }
  }
}

}  // namespace attnjit::emulator
