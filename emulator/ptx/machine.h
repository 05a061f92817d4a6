// What kernel text asks of the machine that runs it, when that machine is the emulator. One text, read by the emulator
// and by every kernel's object: a few primitives, from which the bodies beside this file build instructions.
#pragma once

#include "shared/types.h"

namespace attnjit::emulator {

using kernel::i32;
using kernel::i64;
using kernel::u16;
using kernel::u32;
using kernel::u64;
using kernel::u8;

inline constexpr int kWarpLanes = 32;

/// A place in kernel text. `Site site = Site::here()` as a default argument is the place of the call. For an access
/// without a wrapper `file` is its code address and `line` kCodeAddress.
struct Site {
  static constexpr int kCodeAddress = -1;
  const char* file;
  int line;
  static constexpr Site here(const char* caller_file = __builtin_FILE(), int caller_line = __builtin_LINE()) {
    return {caller_file, caller_line};
  }
};

class Machine {
 public:
  // ---- of the thread that runs
  int thread = 0;
  u32 block = 0;
  u8* shared = nullptr;  // the CTA's dynamic shared memory

  /// All threads of the CTA meet; orders their memory accesses.
  virtual void sync_block(Site site) = 0;
  /// All lanes of the warp meet; orders their memory accesses.
  virtual void sync_warp(Site site) = 0;

  /// What a warp-wide instruction does, from the operands that each lane brought.
  using Perform = void (*)(void* const (&operands)[kWarpLanes]);
  /// All lanes of the warp meet at one site; `perform` runs once. Orders nothing else: mma, ldmatrix and shfl are no
  /// barriers.
  virtual void warp_collective(Site site, const char* instruction, void* operands, Perform perform) = 0;

  /// Address within the shared state space of a pointer into the CTA's shared memory.
  virtual u32 shared_address(const void* pointer) = 0;
  /// Where `bytes` at `address` lie, for this thread to read or to write. Faults outside the CTA's shared memory, at an
  /// address that is no multiple of `bytes`, and in a launch that checks for races at one.
  virtual const u8* read_shared(Site site, u32 address, u32 bytes) = 0;
  virtual u8* write_shared(Site site, u32 address, u32 bytes) = 0;
  /// The same for an atomic operation, which no other thread's comes between. Done here: were it done in kernel text, a
  /// check for races would see its two halves.
  virtual void atomic_or_shared(Site site, u32 address, u32 bits) = 0;
  /// The same for global memory: only the alignment is checked.
  virtual void check_global(Site site, const void* address, u32 bytes) = 0;

  /// An asynchronous copy of this thread: `valid` bytes of `source`, then zeros up to `bytes`.
  virtual void async_copy(Site site, u32 destination, const void* source, u32 bytes, u32 valid) = 0;
  virtual void async_commit(Site site) = 0;
  /// At most `pending` of this thread's newest committed groups are still under way afterwards.
  virtual void async_wait(Site site, int pending) = 0;

  /// A direct access of kernel text, by way of -fsanitize=thread; `place` is its code address.
  virtual void direct_access(const void* place, const void* pointer, u32 bytes, bool is_write) = 0;

 protected:
  ~Machine() = default;
};

/// The machine of the kernel that runs on this thread of the host.
inline thread_local Machine* current_machine = nullptr;

}  // namespace attnjit::emulator

namespace attnjit::kernel {

using emulator::Site;

inline emulator::Machine& machine() { return *emulator::current_machine; }

}  // namespace attnjit::kernel
