// The cp.async copies of one thread: what is under way, and when it lands.
#pragma once

#include <vector>

#include "emulator/ptx/machine.h"
#include "emulator/random.h"

namespace attnjit::emulator {

/// When an asynchronous copy lands. As early as possible shows what is overwritten too soon, as late as its wait allows
/// shows a wait that is missing.
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
  /// Closes the group that is open.
  void commit() { ++open_group_; }
  /// Lands what a wait for all but the `pending` newest committed groups asks for, and takes it off the list.
  std::vector<Copy> wait(int pending, Completion completion, Random& random);
  /// Some of what is under way lands.
  void land_some(Random& random);
  bool empty() const { return copies_.empty(); }
  void forget() { copies_.clear(); }

 private:
  static void land(Copy& copy);

  std::vector<Copy> copies_;
  u32 open_group_ = 0;
};

}  // namespace attnjit::emulator
