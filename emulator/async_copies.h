// The cp.async copies of one thread: which are in flight, and when they land.
#pragma once

#include <vector>

#include "emulator/ptx/machine.h"
#include "emulator/random.h"

namespace attnjit::emulator {

/// When an asynchronous copy lands. As early as possible exposes a buffer that is overwritten too soon; as late as its
/// wait allows exposes a missing wait.
enum class Completion { kEarly, kLate, kRandom };

const char* to_string(Completion completion);

class AsyncCopies {
 public:
  struct Copy {
    u8* to;
    const void* from;
    u32 bytes;
    u32 valid;
    u32 offset;  // within the CTA's shared memory
    u32 group;
    bool landed;
  };

  void issue(Copy copy, Completion completion, Random& random);
  /// Closes the open group.
  void commit() { ++open_group_; }
  /// Lands the copies that a wait for all but the `pending` newest committed groups covers, removes them from the list
  /// and returns them.
  std::vector<Copy> wait(int pending, Completion completion, Random& random);
  /// Lands some of the copies in flight.
  void land_some(Random& random);
  bool empty() const { return copies_.empty(); }
  void forget() { copies_.clear(); }

 private:
  static void land(Copy& copy);

  std::vector<Copy> copies_;
  u32 open_group_ = 0;
};

}  // namespace attnjit::emulator
