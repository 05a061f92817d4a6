// What each thread of a CTA knows of what others did: vector clocks (Lamport, 1978; Fidge, 1988).
//
// Beside threads, agents that work asynchronously have steps: each warp's wgmma unit (its completed groups), and each
// mbarrier (its completed phases, and with them the copies that it counted).
//
// Threads write shared memory by the generic proxy; copies of tiles and wgmma use the asynchronous one. A second clock
// says up to which step a thread's writes have passed a proxy fence on the way to whoever asks.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

/// Whom an access is by, and which step of theirs it belongs to. With several agents all must be known to have come so
/// far: the warps of a warpgroup.
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

  /// What one thread, or all of several, know.
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

  /// These threads met: each knows what all others did until now.
  void meet(int first_thread, int count);
  Row empty_row() const { return Row(static_cast<std::size_t>(agents_) * 2, 0); }
  /// What the thread did until now is known to whoever acquires the row.
  void release(int thread, Row& into);
  void acquire(int thread, const Row& from);
  /// The thread knows that the agent has come to this step.
  void learn(int thread, int agent, std::uint32_t step);
  static void learn(Row& row, int agent, std::uint32_t step);
  /// What the thread knows of comes before what the asynchronous proxy does later.
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
  std::vector<Common> common_;  // of each warpgroup, as of when it was last asked for
};

}  // namespace attnjit::emulator
