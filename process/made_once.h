// A constant that is made when it is first asked for and never destroyed. In place of a function-local static: the
// compiler's lock around the making of that would be held for ever in a child that is forked meanwhile, and its
// destructor would run while other threads still use it, when the process exits.
#pragma once

#include <atomic>
#include <memory>

namespace attnjit::process {

/// To be a static constinit object. Threads that are first at the same time each make one, and one is kept.
template <class T>
class MadeOnce {
 public:
  constexpr MadeOnce() = default;

  template <class Make>
  const T& get(const Make& make) {
    const T* made = made_.load(std::memory_order_acquire);
    if (made != nullptr) return *made;
    auto fresh = std::make_unique<const T>(make());
    if (made_.compare_exchange_strong(made, fresh.get(), std::memory_order_acq_rel)) made = fresh.release();
    return *made;
  }

 private:
  std::atomic<const T*> made_{nullptr};
};

}  // namespace attnjit::process
