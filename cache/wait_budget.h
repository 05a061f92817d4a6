// How long a request waits for other processes. Internal to cache/, except for the numbers.
//
// A request takes several locks, and each may be held by a stopped process, so the sum is limited. Time-outs are
// remembered, so later requests do not wait in vain for the same process.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace attnjit::cache {

struct Patience {
  /// Over all locks of a request. Transactions take well under a millisecond to read and a few file syncs to write; a
  /// request kept out this long is better off without the cache.
  std::chrono::milliseconds request{5000};
  /// Before a reader reads without locks. A writer's syncs take 10 to 100 ms, evicting for others 0.4 s.
  std::chrono::milliseconds read{250};
};

/// What is left of one request's patience. Used by one thread at a time.
class WaitBudget {
 public:
  using Clock = std::chrono::steady_clock;

  explicit WaitBudget(Clock::duration most) : left_(most) {}
  Clock::duration left() const { return left_; }
  std::chrono::milliseconds left_ms() const { return std::chrono::ceil<std::chrono::milliseconds>(left_); }
  void spend(Clock::duration waited) { left_ = std::max(Clock::duration::zero(), left_ - waited); }
  void spend_since(Clock::time_point start) { spend(Clock::now() - start); }
  /// Sleeps briefly, less before the first attempts than before later ones. False at once if nothing is left.
  bool pause(int tries) {
    if (left_ <= Clock::duration::zero()) return false;
    const Clock::duration longest = std::chrono::milliseconds(1 << std::min(tries, 4));
    const auto start = Clock::now();
    std::this_thread::sleep_for(std::min(longest, left_));
    spend_since(start);
    return true;
  }

 private:
  Clock::duration left_;
};

/// Whether recent waits for a lock were in vain. Thread-safe.
class VainWait {
 public:
  using Clock = WaitBudget::Clock;

  /// How much of `most` to wait: all of it, unless the last wait was in vain; then nothing for some seconds, and little
  /// until somebody gets in. Nothing still means one attempt.
  Clock::duration advise(Clock::duration most) const {
    const std::int64_t until = until_;
    if (until == 0) return most;
    if (now() < until) return Clock::duration::zero();
    return std::min<Clock::duration>(most, kProbe);
  }
  void in_vain() { until_ = now() + std::chrono::nanoseconds(kRemembered).count(); }
  void got_in() { until_ = 0; }
  bool remembers() const { return until_ != 0; }

 private:
  static constexpr std::chrono::milliseconds kProbe{250};
  static constexpr std::chrono::seconds kRemembered{5};
  static std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
  }
  std::atomic<std::int64_t> until_{0};  // on the clock, in nanoseconds; 0: the last wait was not in vain
};

}  // namespace attnjit::cache
