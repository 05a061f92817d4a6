// Key -> compiled kernel through all tiers: memory, store, and the caller's compile function, at most one
// compile per key in this process and on this node. A cache failure is never a request failure.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cache/counters.h"
#include "cache/entry.h"
#include "cache/location.h"
#include "cache/store.h"

namespace attnjit::cache {

/// Where an entry came from. kWaited: another thread or process compiled it while this call waited.
enum class Tier { kMemory, kStore, kWaited, kCompiled };
const char* to_string(Tier tier);

struct Found {
  std::shared_ptr<const Entry> entry;
  Tier tier = Tier::kMemory;
  double seconds = 0;  // spent in this call
};

struct KernelCacheOptions {
  Location location;
  /// Asked again, some seconds apart, where `location` has no directory although one was wanted. Empty: never.
  std::function<Location()> locate = {};
  /// Told once per kind of trouble, from any thread, with no lock held.
  std::function<void(const std::string&)> warn;
  /// How long a get() waits for other processes, over all locks; longer only for one that is seen to get on with
  /// compiling the same kernel.
  std::chrono::milliseconds lock_timeout = Patience{}.request;
  std::chrono::milliseconds read_patience = Patience{}.read;  // before the store is read without locks
  std::chrono::milliseconds open_pause{3000};                 // between two tries to open a store
  std::int64_t max_bytes = kDefaultMaxBytes;                  // of the store; 0: no limit
};

class KernelCache {
 public:
  explicit KernelCache(KernelCacheOptions options);
  ~KernelCache();

  struct Request {
    KeyFields fields;
    CompilerWish wish;
    bool recompile = false;  // ignore what is there; the result replaces the row of its compiler
    /// Told that the entry is neither in memory nor in the store, before anything is waited for or compiled, with
    /// no lock held. What it throws ends the get(), and those of the threads that wait for the same key. Not
    /// told for a recompile, nor to a thread that finds another one at work on the key. `trouble` says why the store
    /// could not be read under its locks; empty if it could, and does not have the entry.
    std::function<void(const std::string& trouble)> on_miss = {};
    /// Waits for no other thread or process: the entry is compiled at once if it is nowhere. For who may be waited for
    /// himself, as a thread that is inside a callback of its host.
    bool alone = false;
  };
  /// Makes the entry. The cache sets its `fields`, and `created_unix` and `compile_seconds` where they are 0.
  using Compile = std::function<Entry()>;

  /// Returns the entry, compiling it if it is nowhere. What `compile` throws is thrown to this caller and
  /// to every thread of this process that waits for the same key.
  Found get(const Request& request, const Compile& compile);
  /// The entry if it is in memory or in the store; never compiles, never waits for a compile.
  std::shared_ptr<const Entry> find(const Request& request);
  /// Writes what is known of the use of rows to the store now (else it is when Store::note_use() says).
  void flush_uses();
  /// Drops an entry from memory and store (a driver refused it, say).
  void evict(const KeyFields& fields, const CompilerId& compiler);

  Store* store();  // nullptr when memory only; may be opened later
  const Store* store() const;
  std::string why_no_store() const;  // empty where memory only was asked for
  const Location& location() const;
  const Counters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnjit::cache
