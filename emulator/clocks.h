// Vector clocks: what each thread of a CTA knows about the progress of the others (Lamport, 1978; Fidge, 1988).
//
// Besides threads, asynchronous agents have steps: each warp's wgmma unit (its completed groups), and each mbarrier
// (its completed phases, and with them the copies that it counted).
//
// Threads write shared memory through the generic proxy; tile copies and wgmma use the async proxy. A second clock
// records up to which step a thread's writes have passed a proxy fence on the way to the observer.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

/// The agent of an access, and the agent's step to which it belongs. With several agents (the warps of a warpgroup),
/// all must be known to have reached the step.
struct Moment {
  int agent = 0;
  int agents = 1;
  std::uint32_t step = 0;
};

class Clocks {
 public:
  static constexpr int kMaxMbarriers = 64;
  using Row = std::vector<std::uint32_t>;

  explicit Clocks(int threads);

  int warp_agent(int warp) const { return threads_ + warp; }
  int mbarrier_agent(int index) const { return threads_ + threads_ / kWarpLanes + index; }

  std::uint32_t now(int thread) const { return row(thread)[thread]; }

  /// What one thread knows, or what all of several threads know.
  class View {
   public:
    View(const std::uint32_t* known, int agents) : known_(known), agents_(agents) {}
    bool knows(const Moment& moment) const { return has(known_, moment); }
    bool fenced(const Moment& moment) const { return has(known_ + agents_, moment); }

   private:
    static bool has(const std::uint32_t* clock, const Moment& moment) {
      for (int i = 0; i < moment.agents; ++i) {
        if (moment.step > clock[moment.agent + i]) return false;
      }
      return true;
    }
    const std::uint32_t* known_;
    int agents_;
  };
  View view(int thread) const { return {row(thread), agents_}; }
  /// What every thread of a warpgroup knows.
  View view_of_warpgroup(int warpgroup);

  /// A barrier of these threads: each then knows what all others did so far.
  void meet(int first_thread, int count);
  Row empty_row() const { return Row(static_cast<std::size_t>(agents_) * 2, 0); }
  /// Publishes what the thread did so far to whoever acquires the row.
  void release(int thread, Row& into);
  void acquire(int thread, const Row& from);
  /// The thread learns that the agent has reached this step.
  void learn(int thread, int agent, std::uint32_t step);
  static void learn(Row& row, int agent, std::uint32_t step);
  /// Orders everything the thread knows of before later accesses by the async proxy.
  void fence(int thread);

 private:
  std::uint32_t* row(int thread) {
    return &clocks_[static_cast<std::size_t>(thread) * static_cast<std::size_t>(agents_) * 2];
  }
  const std::uint32_t* row(int thread) const { return const_cast<Clocks*>(this)->row(thread); }
  void tick(int thread) {
    ++row(thread)[thread];
    ++changes_[static_cast<std::size_t>(thread)];
  }

  int threads_;
  int agents_;
  std::vector<std::uint32_t> clocks_;  // [thread][known, fenced][agent]
  std::vector<std::uint64_t> changes_;
  struct Common {
    std::uint64_t changes = ~std::uint64_t{0};
    Row row{};
  };
  std::vector<Common> common_;  // per warpgroup, as of the last query
};

}  // namespace attnjit::emulator
