// The store as a tier of the KernelCache: opened now or later, read without locks where they cannot be had, and never a
// reason to throw. Internal to cache/.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "cache/counters.h"
#include "cache/kernel_cache.h"
#include "cache/late_store.h"
#include "cache/per_process.h"
#include "cache/store.h"

namespace attnjit::cache {

/// Thread-safe.
class StoreTier {
 public:
  /// Told of a kind of trouble each time it is met.
  using Warn = std::function<void(const char* kind, const std::string& message)>;

  /// `options` and `counters` must outlive this.
  StoreTier(const KernelCacheOptions& options, Counters& counters, Warn warn);

  /// nullptr when memory only; tries to open it when it is time to try again.
  Store* get() { return late_.get(); }
  Store* peek() const { return late_.peek(); }
  /// Why the last try to open it was in vain; empty if none was.
  std::string why_none();

  /// `*trouble` (if given) becomes why the store could not be read under its locks, or empty.
  std::shared_ptr<const Entry> read(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget,
                                    std::string* trouble = nullptr);
  void write(const Entry& entry, WaitBudget& budget);
  void erase(const Key& key, const CompilerId& compiler);

 private:
  /// Why there is no store.
  struct WhyNot {
    std::mutex mutex;
    std::string text;
  };
  Lookup look_up(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget);
  Lookup look_beside(const KeyFields& fields, const CompilerWish& wish);
  std::unique_ptr<Store> open();
  void tell_foreign_objects(const Store& store);
  void failed(const char* kind, const char* consequence, const std::string& why);

  const KernelCacheOptions& options_;
  Counters& counters_;
  const Warn warn_;
  PerProcess<WhyNot> why_not_{[] { return std::make_unique<WhyNot>(); }};
  bool first_try_ = true;  // of open(), which one thread at a time is in
  LateStore late_;
};

}  // namespace attnjit::cache
