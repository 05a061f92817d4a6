// Key -> compiled kernel through all tiers: memory, store, and the caller's compile function. At most one compile per
// key in this process and on this node. A cache failure never fails a request.
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
  double seconds = 0;  // time spent in this call
};

struct KernelCacheOptions {
  Location location;
  /// Called again every few seconds if `location` has no directory although one was wanted. Empty: never.
  std::function<Location()> locate = {};
  /// Called once per kind of trouble, from any thread, with no lock held.
  std::function<void(const std::string&)> warn;
  /// How long a get() waits for other processes, over all locks; longer only while the holder visibly makes progress
  /// compiling the same kernel.
  std::chrono::milliseconds lock_timeout = Patience{}.request;
  std::chrono::milliseconds read_patience = Patience{}.read;  // before the store is read without locks
  std::chrono::milliseconds open_pause{3000};                 // between attempts to open a store
  std::int64_t max_bytes = kDefaultMaxBytes;                  // of the store; 0: no limit
};

/// What a request does about an entry that is nowhere: compile it, or return none.
enum class MissDecision { kCompile, kGiveUp };

class KernelCache {
 public:
  explicit KernelCache(KernelCacheOptions options);
  ~KernelCache();

  struct Request {
    KeyFields fields;
    CompilerWish wish;
    bool recompile = false;  // ignore existing entries; the result replaces its compiler's row
    /// Called when the entry is neither in memory nor in the store, before waiting or compiling, with no lock held; by
    /// default compiles. An exception ends the get(), and those of the threads waiting for the same key. Not called for
    /// a recompile, nor on a thread that finds another one working on the key. `trouble` says why the store could not
    /// be read under its locks; empty if it could be and lacks the entry.
    std::function<MissDecision(const std::string& trouble)> on_miss = {};
    /// Do not wait for any other thread or process: compile at once if the entry is nowhere. For threads that others
    /// may be waiting for, such as one inside a host callback.
    bool alone = false;
  };
  /// Makes the entry. The cache sets its `fields`, and `created_unix` and `compile_seconds` if they are 0.
  using Compile = std::function<Entry()>;

  /// Returns the entry, compiling it if it is nowhere; none if on_miss gave up, here or on the thread that this one
  /// waited for. Exceptions from `compile` reach this caller and every thread of this process waiting for the same key.
  Found get(const Request& request, const Compile& compile);
  /// The entry if it is in memory or in the store; never compiles and never waits for a compile.
  std::shared_ptr<const Entry> find(const Request& request);
  /// Writes the gathered use stamps to the store now, instead of when Store::note_use() would.
  void flush_uses();
  /// Removes an entry from memory and store (for example, one a driver refused).
  void evict(const KeyFields& fields, const CompilerId& compiler);

  Store* store();  // nullptr if memory only; may be opened later
  const Store* store() const;
  std::string why_no_store() const;  // empty if memory only was requested
  const Location& location() const;
  const Counters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnjit::cache
