// The store as a tier of the KernelCache: opened now or later, read without locks if they are unavailable; never
// throws. Internal to cache/.
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
  /// Called each time a kind of trouble occurs.
  using Warn = std::function<void(const char* kind, const std::string& message)>;

  /// `options` and `counters` must outlive this.
  StoreTier(const KernelCacheOptions& options, Counters& counters, Warn warn);

  /// nullptr if memory only; tries to open the store if a retry is due.
  Store* get() { return late_.get(); }
  Store* peek() const { return late_.peek(); }
  /// Why the last attempt to open it failed; empty if none did.
  std::string why_none();

  /// `*trouble` (if given) is set to why the store could not be read under its locks, or cleared.
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
  bool first_try_ = true;  // for open(), which one thread at a time runs
  LateStore late_;
};

}  // namespace attnjit::cache
