// Forks of the host's process: which process this is, who is inside what when it forks, and which descriptors a child
// must not keep.
//
// A fork is never held up: nothing is waited for before it, and the child's handler only marks and closes. A child that
// came about without handlers (_Fork, clone) is known by its process id.
#pragma once

#include <atomic>
#include <cstdint>

namespace attnjit::process {

/// Never 0, and not that of the process that this one was forked from, even where both have one process id.
std::uint32_t own_id();
/// How many forks lie between the process that loaded the library and this one. Costs nothing; does not see _Fork.
std::uint32_t generation();

/// Who is inside something that a fork in the middle leaves unusable to the child: locks whose owner the child does not
/// have, tables half written. One word, so that a fork sees it whole.
class Occupancy {
 public:
  constexpr Occupancy() = default;
  Occupancy(const Occupancy&) = delete;
  Occupancy& operator=(const Occupancy&) = delete;

  /// False, and nobody entered, in a process that was forked while a thread was inside, and in its children.
  [[nodiscard]] bool enter();
  void leave();
  bool forked_amidst() const;
  /// In a child, of the thread that forked: `own` of those inside are its own stays, which go on in the child.
  void keep_own(std::uint64_t own);

 private:
  std::atomic<std::uint64_t> word_{0};  // own_id(), whether it was forked amidst, number of threads inside
};

/// A thread's stay; stays nest. `entered()` is false where the constructor's enter() was. A child that the thread
/// itself forks, in a callback of the host say, has the thread, so that nothing is unusable to it for the thread's own
/// stays.
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
  Stay* const outer_;  // of the thread
};

/// Children that are forked from now on close the descriptor: else one that lives on would keep an OFD lock of a parent
/// that was killed. A child that was forked since it was opened has it all the same, and does not know; forks_begun()
/// says whether there may be one.
void close_in_children(int descriptor);
std::uint64_t forks_begun();
/// Closes what the process `owner` (by its own_id()) opened; in a child, where the number may be another file's,
/// nothing.
void close_if_own(int descriptor, std::uint32_t owner);

}  // namespace attnjit::process
