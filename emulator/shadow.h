// Who may have touched which word of shared memory when, and whether anything orders two accesses.
//
// Order comes from what the memory model gives it: the order of a thread, bar.sync, bar.warp.sync; a copy of cp.async
// is an access of its thread that lasts from its issue to that thread's wait. What merely happens to run in step (mma,
// ldmatrix, shfl) orders nothing. So findings depend neither on the scheduler nor on when copies land.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulator/fault.h"
#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

/// Vector clocks of a CTA's threads (Lamport, 1978; Fidge, 1988): clock(t, u) is the last step of u that t knows of.
class Clocks {
 public:
  explicit Clocks(int threads);

  std::uint32_t now(int thread) const { return at(thread, thread); }
  /// Whether what `other` did at `step` comes before what `thread` does now.
  bool knows(int thread, int other, std::uint32_t step) const { return step <= at(thread, other); }
  /// These threads met: each knows what all others did until now.
  void meet(int first_thread, int count);

 private:
  std::uint32_t at(int thread, int other) const { return clocks_[static_cast<std::size_t>(thread) * threads_ + other]; }

  std::size_t threads_;
  std::vector<std::uint32_t> clocks_;  // [thread][other]
};

struct Finding {
  FaultKind kind;
  std::string message;
};

class Shadow {
 public:
  explicit Shadow(u32 bytes) : words_((bytes + 3) / 4) {}

  /// Offsets are from the start of the CTA's shared memory and lie within it. The finding is the first one of the
  /// range.
  std::optional<Finding> read(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  std::optional<Finding> write(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  /// A read and write in one: ordered against other atomic ones by itself.
  std::optional<Finding> atomic(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  /// An asynchronous write by `thread` begins; until it ends no access is ordered against it.
  std::optional<Finding> begin_copy(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  void end_copy(const Clocks& clocks, int thread, u32 offset, u32 bytes);

 private:
  struct Access {
    int thread;
    std::uint32_t step;
    std::uint8_t bytes;  // mask within the word
    bool is_write;
    bool is_atomic;
    bool in_flight;
    Site site;
  };
  struct Word {
    std::uint8_t written = 0;  // mask of bytes that were ever written
    std::vector<Access> accesses{};
  };
  enum class Kind { kRead, kWrite, kAtomic, kCopy };
  std::optional<Finding> touch(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes, Kind kind);

  std::vector<Word> words_;
};

}  // namespace attnjit::emulator
