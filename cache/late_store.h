// The store of a KernelCache, opened at the start or later. Internal to cache/.
//
// What prevents opening may pass: a full or unmounted disk, a missing folder, no free descriptor. Later uses retry
// every few seconds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "cache/store.h"

namespace attnjit::cache {

/// Thread-safe.
class LateStore {
 public:
  /// Returns the store, or nothing after reporting why itself. Never throws.
  using Open = std::function<std::unique_ptr<Store>()>;

  /// The first get() makes the first attempt.
  LateStore(Open open, std::chrono::nanoseconds pause) : open_(std::move(open)), pause_(pause.count()) {}

  Store* get() {
    if (Store* const store = store_.load(std::memory_order_acquire)) return store;
    if (now() < next_try_) return nullptr;
    // If another thread is opening it, go on without the store. (So does a child forked meanwhile.)
    const std::unique_lock lock(opening_, std::try_to_lock);
    if (!lock || now() < next_try_) return peek();
    owned_ = open_();
    next_try_ = now() + pause_;
    store_.store(owned_.get(), std::memory_order_release);
    return owned_.get();
  }
  /// Does not try to open it.
  Store* peek() const { return store_.load(std::memory_order_acquire); }

 private:
  static std::int64_t now() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  const Open open_;
  const std::int64_t pause_;
  std::atomic<std::int64_t> next_try_{0};
  std::mutex opening_;  // guards owned_ until store_ is set
  std::unique_ptr<Store> owned_;
  std::atomic<Store*> store_{nullptr};
};

}  // namespace attnjit::cache
