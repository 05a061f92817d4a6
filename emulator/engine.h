// The machine of one launch: runs the threads of several CTAs interleaved on one host thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "emulator/cta.h"
#include "emulator/launch.h"
#include "emulator/random.h"

namespace attnjit::emulator {

class Engine final : public Machine {
 public:
  Engine(std::vector<ConcurrentLaunch> launches, const LaunchOptions& options);

  LaunchResult run();

  // ---- Machine: called on the fibers of the CUDA threads
  void sync_block(Site site) override;
  void sync_warp(Site site) override;
  void warp_collective(Site site, const char* instruction, void* operands, Perform perform) override;
  u32 shared_address(const void* pointer) override;
  const u8* read_shared(Site site, u32 address, u32 bytes) override;
  u8* write_shared(Site site, u32 address, u32 bytes) override;
  void atomic_or_shared(Site site, u32 address, u32 bits) override;
  void check_global(Site site, const void* address, u32 bytes) override;
  void async_copy(Site site, u32 destination, const void* source, u32 bytes, u32 valid) override;
  void async_commit(Site site) override;
  void async_wait(Site site, int pending) override;
  void mbarrier_init(Site site, u32 barrier, u32 arrivals) override;
  void mbarrier_arrive(Site site, u32 barrier) override;
  void mbarrier_arrive_expect(Site site, u32 barrier, u32 bytes) override;
  void mbarrier_wait(Site site, u32 barrier, u32 parity) override;
  bool mbarrier_test(Site site, u32 barrier, u32 parity) override;
  void fence_mbarrier_init(Site site) override;
  void fence_proxy_async(Site site) override;
  void named_barrier(Site site, int barrier, int threads, bool waits) override;
  void tma_load(Site site, u32 destination, const kernel::TensorMap& map, u32 barrier, int column, int head,
                int token) override;
  void wgmma(Site site, const Wgmma& product) override;
  void wgmma_fence(Site site) override;
  void wgmma_commit(Site site) override;
  void wgmma_wait(Site site, int pending) override;
  void set_registers(Site site, int registers) override;
  void direct_access(const void* place, const void* pointer, u32 bytes, bool is_write) override;

 private:
  // ---- scheduler
  /// A CTA that has not started yet.
  struct Pending {
    const ConcurrentLaunch* launch;
    u32 block;
  };
  void start(Cta& cta, const Pending& pending);
  static void run_thread(void* engine);
  /// Ends the running thread. Returns the thread to continue with, or null when the CTA is done.
  Thread* end_thread();
  /// Blocks the running thread and lets others run until it is ready again.
  void wait(Thread::State state, Site site, const char* what);
  void make_ready(Thread& ready);
  /// Null if no thread is ready.
  Thread* next_thread();
  /// As next_thread(), but lands awaited copies until a thread is ready. Null if nothing can go on.
  Thread* next_thread_or_landing();
  void switch_to(Thread* next, bool current_ends = false);
  void sometimes_land(Cta& cta);
  /// A lane arrives at a warp collective. Returns true for the last one; the others are then still blocked.
  bool arrive_at_warp(Site site, const char* what, const void* operands);
  void release_warp(Warp& warp);
  bool arrive_at_warpgroup(Site site, const char* what, const void* operands);
  void release_warpgroup(Cta& cta, int warpgroup);

  // ---- asynchronous work
  MbarrierState& mbarrier_at(Site site, u32 barrier, const char* what);
  void arrive(Site site, MbarrierState& barrier);
  /// Whether the phase of this parity has completed. If so, the calling thread acquires what happened before.
  bool phase_ended(Site site, const MbarrierState& barrier, u32 parity);
  /// Completes the phase if nothing is missing, and wakes its waiters.
  void end_phase(Cta& cta, MbarrierState& barrier);
  void land(Cta& cta, std::size_t tile_copy);
  /// Lands copies that a thread waits for; returns false if there are none.
  bool land_awaited();
  void check_wgmma(Site site, int warpgroup);
  void issue_wgmma(Site site, int warpgroup);

  // ---- checks
  /// Throws, so that objects on the thread's stack are destroyed; run_thread() catches.
  [[noreturn]] static void fail(FaultKind kind, const std::string& message) { throw KernelFault(kind, message); }
  [[noreturn]] void fail_deadlock();
  u32 checked_offset(Site site, u32 address, u32 bytes, const char* what);
  void report(const std::optional<Finding>& finding);
  std::string here(Site site) const;
  /// Records a site that the mutation test may drop; returns true if it is the dropped one.
  bool dropped(const char* what, Site site);
  void trace(const char* what, Site site, const std::string& detail = "");

  static int warpgroup_of(const Thread& of) { return of.index / kWarpgroupThreads; }
  Warp& warp_of(const Thread& of) { return of.cta->warps[static_cast<std::size_t>(of.index / kWarpLanes)]; }

  std::vector<ConcurrentLaunch> launches_;
  Grid grid_;  // of each launch, except that `ctas` is the total of all
  LaunchOptions options_;
  Random random_;
  std::vector<std::unique_ptr<Cta>> ctas_;  // in flight
  std::vector<Warp*> warps_;                // of all CTAs in flight
  std::vector<Pending> pending_;            // not started yet, next one last
  Fiber host_;
  Thread* current_ = nullptr;
  std::optional<KernelFault> fault_;
  struct KnownSite {
    const char* what;
    Site site;
    bool dropped;
  };
  std::vector<KnownSite> sites_;
  std::uint64_t switches_ = 0;
};

}  // namespace attnjit::emulator
