// Race detector: for each word of shared memory, its accesses and whether anything orders a pair of them.
//
// Order comes only from what the memory model guarantees: program order, bar.sync and bar.arrive, bar.warp.sync,
// mbarriers. A cp.async is an access by its thread from its issue to that thread's wait; a TMA copy lasts until the
// phase of its mbarrier completes; a wgmma read lasts until the wait for its group. Instructions that merely happen to
// run in step (mma, ldmatrix, shfl) order nothing. So findings depend neither on the scheduler nor on when asynchronous
// work completes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulator/clocks.h"
#include "emulator/fault.h"
#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

struct Finding {
  FaultKind kind;
  std::string message;
};

class Shadow {
 public:
  explicit Shadow(u32 bytes) : words_((bytes + 3) / 4) {}

  /// Offsets are from the start of the CTA's shared memory, and must lie within it. Returns the first finding of the
  /// range.
  std::optional<Finding> read(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  std::optional<Finding> write(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  /// A read and a write in one; always ordered against other atomics.
  std::optional<Finding> atomic(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  /// Starts an asynchronous write by `thread`; until it ends, no other access is ordered against it.
  std::optional<Finding> begin_copy(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  void end_copy(const Clocks& clocks, int thread, u32 offset, u32 bytes);

  /// Accesses by the async proxy: a copy that `thread` issued and that ends at `moment`, and a read by the wgmma whose
  /// first thread is `thread`. `view` is what the issuer knows.
  std::optional<Finding> tile_copy(const Clocks::View& view, int thread, const Moment& moment, Site site, u32 offset,
                                   u32 bytes);
  std::optional<Finding> wgmma_read(const Clocks::View& view, int thread, const Moment& moment, Site site, u32 offset,
                                    u32 bytes);

 private:
  enum class Kind : std::uint8_t { kRead, kWrite, kAtomic, kCopy, kTileCopy, kWgmmaRead };
  struct Access {
    Moment moment;
    int thread;
    std::uint8_t bytes;  // mask within the word
    Kind kind;
    bool in_flight;  // of a cp.async that was not waited for
    Site site;

    bool is_write() const { return kind != Kind::kRead && kind != Kind::kWgmmaRead; }
    bool is_async() const { return kind == Kind::kTileCopy || kind == Kind::kWgmmaRead; }
  };
  struct Word {
    std::uint8_t written = 0;  // mask of bytes that were ever written
    std::vector<Access> accesses{};
  };
  std::optional<Finding> touch(const Clocks::View& view, Access access, u32 offset, u32 bytes);
  static Finding conflict(const Access& access, const Access& before, u32 word, bool ordered);
  static std::string describe(const Access& access);

  std::vector<Word> words_;
};

}  // namespace attnjit::emulator
