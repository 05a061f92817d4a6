// Forks of the host's process: tells processes apart, tracks which threads are inside what when a fork happens, and
// which descriptors a child must not keep.
//
// Forks are never delayed: nothing is waited for before a fork, and the child's handler only sets marks and closes
// descriptors. A child created without running the handlers (_Fork, clone) is recognized by its process id.
#pragma once

#include <atomic>
#include <cstdint>

namespace attnjit::process {

/// Never 0, and different from the id of the process this one was forked from, even if both have the same process id.
std::uint32_t own_id();
/// Number of forks between the process that loaded the library and this one. Costs nothing; does not see _Fork.
std::uint32_t generation();

/// Counts threads inside something that a fork in the middle makes unusable in the child: locks whose owner does not
/// exist there, half-written tables. One word, so a fork sees it atomically.
class Occupancy {
 public:
  constexpr Occupancy() = default;
  Occupancy(const Occupancy&) = delete;
  Occupancy& operator=(const Occupancy&) = delete;

  /// False, without entering, in a process forked while a thread was inside, and in its children.
  [[nodiscard]] bool enter();
  void leave();
  bool forked_amidst() const;
  /// In a child, for the thread that forked: `own` of the stays inside are its own and continue in the child.
  void keep_own(std::uint64_t own);

 private:
  std::atomic<std::uint64_t> word_{0};  // own_id(), whether it was forked while in use, number of threads inside
};

/// A thread's stay; stays nest. `entered()` is false if enter() failed in the constructor. A child forked by the thread
/// itself, in a host callback for example, has that thread, so the thread's own stays make nothing unusable.
class Stay {
 public:
  explicit Stay(Occupancy& place);
  ~Stay();
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;
  bool entered() const { return entered_; }
  /// In a child, for all stays of the thread that forked.
  static void keep_own();

 private:
  Occupancy& place_;
  const bool entered_;
  Stay* const outer_;  // of the same thread
};

/// Makes children forked from now on close the descriptor: otherwise a surviving child would keep an OFD lock of a
/// parent that was killed. A child forked after it was opened but before this call still has it unknowingly;
/// forks_begun() tells whether there may be one.
void close_in_children(int descriptor);
std::uint64_t forks_begun();
/// Closes a descriptor opened by the process `owner` (its own_id()). Does nothing in a child, where the number may
/// belong to another file.
void close_if_own(int descriptor, std::uint32_t owner);

}  // namespace attnjit::process
