// The interface between kernel code and the emulator: a few primitives, from which the functions in this folder build
// the instructions. Shared by the emulator and by every kernel's object.
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

/// 128-byte rows with the 16-byte chunks permuted as TMA and wgmma do: chunk c of row r is stored at chunk position c ^
/// (r % 8). The address determines the row.
inline constexpr u32 kSlabRowBytes = 128;
constexpr u32 swizzled(u32 address) { return address ^ (address / kSlabRowBytes % 8 * 16); }

/// A place in kernel code. As a default argument, `Site site = Site::here()` is the place of the call. For an access
/// without a wrapper, `file` is its code address and `line` is kCodeAddress.
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
  // ---- the running thread
  int thread = 0;
  u32 block = 0;
  u32 ctas = 0;          // of the launch
  u8* shared = nullptr;  // the CTA's dynamic shared memory

  /// Barrier of all threads of the CTA; orders their memory accesses.
  virtual void sync_block(Site site) = 0;
  /// Barrier of all lanes of the warp; orders their memory accesses.
  virtual void sync_warp(Site site) = 0;

  /// The effect of a warp-wide instruction, given the operands of all lanes.
  using Perform = void (*)(void* const (&operands)[kWarpLanes]);
  /// All lanes of the warp arrive at one site; `perform` runs once. Orders no memory accesses: mma, ldmatrix and shfl
  /// are not barriers.
  virtual void warp_collective(Site site, const char* instruction, void* operands, Perform perform) = 0;

  /// Converts a pointer into the CTA's shared memory to an address in the shared state space.
  virtual u32 shared_address(const void* pointer) = 0;
  /// Location of `bytes` at `address`, for this thread to read or to write. Faults if it is outside the CTA's shared
  /// memory, if the address is not a multiple of `bytes`, and, in a launch with race checks, at a race.
  virtual const u8* read_shared(Site site, u32 address, u32 bytes) = 0;
  virtual u8* write_shared(Site site, u32 address, u32 bytes) = 0;
  /// The same for an atomic operation, during which no other thread runs. Part of the machine because in kernel code
  /// the race check would see its two halves.
  virtual void atomic_or_shared(Site site, u32 address, u32 bits) = 0;
  /// The same for global memory: checks only the alignment.
  virtual void check_global(Site site, const void* address, u32 bytes) = 0;

  /// An asynchronous copy by this thread: `valid` bytes of `source`, then zeros up to `bytes`.
  virtual void async_copy(Site site, u32 destination, const void* source, u32 bytes, u32 valid) = 0;
  virtual void async_commit(Site site) = 0;
  /// Waits until at most `pending` of this thread's newest committed groups are in flight.
  virtual void async_wait(Site site, int pending) = 0;

  // ---- mbarriers, identified by their address in shared memory
  virtual void mbarrier_init(Site site, u32 barrier, u32 arrivals) = 0;
  virtual void mbarrier_arrive(Site site, u32 barrier) = 0;
  virtual void mbarrier_arrive_expect(Site site, u32 barrier, u32 bytes) = 0;
  /// Returns when the phase of this parity has completed.
  virtual void mbarrier_wait(Site site, u32 barrier, u32 parity) = 0;
  /// Whether it has completed; may report it later than it happened.
  virtual bool mbarrier_test(Site site, u32 barrier, u32 parity) = 0;
  virtual void fence_mbarrier_init(Site site) = 0;
  virtual void fence_proxy_async(Site site) = 0;
  /// One of the CTA's 16 named barriers; without `waits` the thread only arrives.
  virtual void named_barrier(Site site, int barrier, int threads, bool waits) = 0;

  /// Copies the box of the map at (column, head, token) asynchronously; its bytes count toward `barrier`.
  virtual void tma_load(Site site, u32 destination, const kernel::TensorMap& map, u32 barrier, int column, int head,
                        int token) = 0;

  // ---- wgmma
  /// d [64, columns] = a [64, 16] b, or d += a b. Each thread passes its registers of d, and of a unless a is in shared
  /// memory.
  struct Wgmma {
    float* d;
    const u32* a_registers;  // or null: a is in shared memory
    u64 a;                   // matrix descriptors
    u64 b;
    int columns;
    kernel::Element element;
    bool b_by_rows;  // b is [columns, 16], else [16, columns]
    bool accumulate;
  };
  /// All threads of the warpgroup arrive at one site. The operation is in flight until wgmma_wait() completes it: its
  /// operands must stay in scope, and d must not be read.
  virtual void wgmma(Site site, const Wgmma& product) = 0;
  virtual void wgmma_fence(Site site) = 0;
  virtual void wgmma_commit(Site site) = 0;
  /// Waits until at most `pending` of the newest committed groups are in flight.
  virtual void wgmma_wait(Site site, int pending) = 0;
  /// setmaxnreg: all threads of the warpgroup arrive.
  virtual void set_registers(Site site, int registers) = 0;

  /// A direct memory access of kernel code, reported by -fsanitize=thread; `place` is its code address.
  virtual void direct_access(const void* place, const void* pointer, u32 bytes, bool is_write) = 0;

 protected:
  ~Machine() = default;
};

/// The machine of the kernel that runs on this host thread.
inline thread_local Machine* current_machine = nullptr;

}  // namespace attnjit::emulator

namespace attnjit::kernel {

using emulator::Site;

inline emulator::Machine& machine() { return *emulator::current_machine; }

}  // namespace attnjit::kernel
