// Counters of a Context's kernel cache, for a program's metrics.
#pragma once

#include <cstdint>
#include <string>

#include "attnjit/export.h"

namespace attnjit {

/// Totals since the Context was created; each is read independently. A request is a kernel that an operator's
/// constructor asks for. Launches touch none of these.
struct CacheCounters {
  // Where requests were served from, fastest first.
  std::int64_t loaded_hits = 0;  ///< already loaded in the driver, for an earlier operator
  std::int64_t memory_hits = 0;  ///< in this process
  std::int64_t store_hits = 0;   ///< in the cache file
  std::int64_t waits = 0;        ///< compiled meanwhile by another thread or process
  std::int64_t compiles = 0;     ///< compiled here

  std::int64_t misses = 0;            ///< in none of these at the first lookup, whatever the outcome
  std::int64_t refusals = 0;          ///< misses rejected by MissPolicy::kError
  std::int64_t compile_failures = 0;  ///< compiles that failed
  std::int64_t loads = 0;             ///< cubins passed to the driver
  std::int64_t refused_cubins = 0;    ///< cubins the driver rejected

  std::int64_t bad_rows = 0;        ///< damaged rows of the cache file, deleted
  std::int64_t bad_files = 0;       ///< damaged or empty cache files, replaced
  std::int64_t evicted_rows = 0;    ///< rows evicted to keep the size cap
  std::int64_t store_failures = 0;  ///< failed uses of the cache file; the request went on without it

  // Totals over all threads, in seconds.
  double compile_seconds = 0;      ///< in the compiler, including failures
  double load_seconds = 0;         ///< in the driver, loading
  double wait_seconds = 0;         ///< waiting for another thread or process to compile
  double store_read_seconds = 0;   ///< reading the cache file
  double store_write_seconds = 0;  ///< writing it

  std::int64_t fallbacks = 0;  ///< operators that got slower kernels; see FallbackPolicy

  ATTNJIT_API CacheCounters& operator+=(const CacheCounters& other) noexcept;
};

/// {"loaded_hits":0,...}: every counter, in the order above.
ATTNJIT_API std::string to_json(const CacheCounters& counters);

}  // namespace attnjit
