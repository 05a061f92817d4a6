// Key -> compiled kernel through all tiers: memory, store, and the caller's compile function, at most one
// compile per key in this process and on this node. A cache failure is never a request failure.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cache/entry.h"
#include "cache/location.h"
#include "cache/store.h"

namespace attnjit::cache {

/// Where an entry came from. kWaited: another thread or process compiled it while this call waited.
enum class Tier { kMemory, kStore, kWaited, kCompiled };
const char* to_string(Tier tier);

struct Counters {
  std::atomic<std::int64_t> memory_hits{0}, store_hits{0}, waits{0}, compiles{0}, compile_failures{0},
      repairs{0}, store_failures{0};
};

struct Found {
  std::shared_ptr<const Entry> entry;
  Tier tier = Tier::kMemory;
  double seconds = 0;  // spent in this call
};

struct KernelCacheOptions {
  Location location;
  std::function<void(const std::string&)> warn;  // told once per kind of trouble
  std::chrono::milliseconds lock_timeout{30'000};
};

class KernelCache {
 public:
  explicit KernelCache(KernelCacheOptions options);
  ~KernelCache();

  struct Request {
    KeyFields fields;
    CompilerWish wish;
    bool recompile = false;  // ignore what is there; the result replaces the row of its compiler
  };
  using Compile = std::function<Entry()>;

  /// Returns the entry, compiling it if it is nowhere. What `compile` throws is thrown to this caller and
  /// to every thread of this process that waits for the same key.
  Found get(const Request& request, const Compile& compile);
  /// The entry if it is in memory or in the store; never compiles, never waits for a compile.
  std::shared_ptr<const Entry> find(const Request& request);
  /// Drops an entry from memory and store (a driver refused it, say).
  void evict(const KeyFields& fields, const CompilerId& compiler);

  Store* store();  // nullptr when memory only
  const Location& location() const;
  const Counters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnjit::cache
