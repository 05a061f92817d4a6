// What kernel text asks of the machine that runs it, when that machine is the emulator. One text, read by the emulator
// and by every kernel's object: a few primitives, from which the bodies beside this file build instructions.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {
struct TensorMap;
}

namespace attnjit::emulator {

using kernel::i32;
using kernel::i64;
using kernel::u16;
using kernel::u32;
using kernel::u64;
using kernel::u8;

inline constexpr int kWarpLanes = 32;
inline constexpr int kWarpgroupThreads = 128;

/// Rows of 128 bytes, whose 16-byte chunks the copy engine and wgmma exchange: chunk c of row r lies where chunk
/// c ^ (r % 8) would. An address says which row it is.
inline constexpr u32 kSlabRowBytes = 128;
constexpr u32 swizzled(u32 address) { return address ^ (address / kSlabRowBytes % 8 * 16); }

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
  u32 ctas = 0;          // of the launch
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

  // ---- mbarriers, by their address in shared memory
  virtual void mbarrier_init(Site site, u32 barrier, u32 arrivals) = 0;
  virtual void mbarrier_arrive(Site site, u32 barrier) = 0;
  virtual void mbarrier_arrive_expect(Site site, u32 barrier, u32 bytes) = 0;
  /// Returns when the phase of this parity has ended.
  virtual void mbarrier_wait(Site site, u32 barrier, u32 parity) = 0;
  /// Whether it has ended; it may be said later than it happened.
  virtual bool mbarrier_test(Site site, u32 barrier, u32 parity) = 0;
  virtual void fence_mbarrier_init(Site site) = 0;
  virtual void fence_proxy_async(Site site) = 0;
  /// One of the 16 barriers of the CTA; who does not wait only counts.
  virtual void named_barrier(Site site, int barrier, int threads, bool waits) = 0;

  /// The box of the map at (column, head, token), asynchronously; `barrier` counts its bytes.
  virtual void tma_load(Site site, u32 destination, const kernel::TensorMap& map, u32 barrier, int column, int head,
                        int token) = 0;

  // ---- products of a warpgroup
  /// d [64, columns] = a [64, 16] b, or d +=; each thread has its registers of d, and of a where it is not in shared
  /// memory.
  struct Wgmma {
    float* d;
    const u32* a_registers;  // or null
    u64 a;                   // descriptors
    u64 b;
    int columns;
    kernel::Element element;
    bool b_by_rows;  // [columns, 16], else [16, columns]
    bool accumulate;
  };
  /// All threads of the warpgroup meet at one site. The product is under way until wgmma_wait() ends it: operands stay
  /// in scope, and d holds nothing that may be read.
  virtual void wgmma(Site site, const Wgmma& product) = 0;
  virtual void wgmma_fence(Site site) = 0;
  virtual void wgmma_commit(Site site) = 0;
  /// At most `pending` of the newest committed groups are still under way afterwards.
  virtual void wgmma_wait(Site site, int pending) = 0;
  /// setmaxnreg: all threads of the warpgroup meet.
  virtual void set_registers(Site site, int registers) = 0;

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
