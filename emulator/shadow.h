// Who may have touched which word of shared memory when, and whether anything orders two accesses.
//
// Order comes from what the memory model gives it: the order of a thread, bar.sync and bar.arrive, bar.warp.sync,
// mbarriers; a copy of cp.async is an access of its thread that lasts from its issue to that thread's wait, a copy of a
// tile lasts to the phase of the mbarrier that counts it, a read by wgmma to the wait for its group. What merely
// happens to run in step (mma, ldmatrix, shfl) orders nothing. So findings depend neither on the scheduler nor on when
// asynchronous work is done.
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

  /// Offsets are from the start of the CTA's shared memory and lie within it. The finding is the first one of the
  /// range.
  std::optional<Finding> read(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  std::optional<Finding> write(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  /// A read and write in one: ordered against other atomic ones by itself.
  std::optional<Finding> atomic(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  /// An asynchronous write by `thread` begins; until it ends no access is ordered against it.
  std::optional<Finding> begin_copy(const Clocks& clocks, int thread, Site site, u32 offset, u32 bytes);
  void end_copy(const Clocks& clocks, int thread, u32 offset, u32 bytes);

  /// By the asynchronous proxy: a copy that `thread` issued and `moment` ends, and a read by the wgmma of which that is
  /// the first thread. `view` is what whoever issues it knows.
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
    bool in_flight;  // of a cp.async copy that was not waited for
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
