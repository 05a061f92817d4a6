// A constant created on first use and never destroyed. Replaces a function-local static: in a child forked meanwhile,
// the compiler's initialization lock would be held forever, and at exit the destructor would run while other threads
// still use the object.
#pragma once

#include <atomic>
#include <memory>

namespace attnjit::process {

/// Must be a static constinit object. If several threads are first, each creates a value and one is kept.
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
