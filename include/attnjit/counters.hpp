// What a Context's kernel cache has done so far, for a program's metrics.
#pragma once

#include <cstdint>
#include <string>

#include "attnjit/export.h"

namespace attnjit {

/// Sums since the Context was made; each is read by itself. A request is a kernel that an operator's constructor
/// asks for. Launches touch none of this.
struct CacheCounters {
  // Where requests were served, from fast to slow.
  std::int64_t loaded_hits = 0;  ///< in the driver already, for an operator made before
  std::int64_t memory_hits = 0;  ///< in this process
  std::int64_t store_hits = 0;   ///< in the cache file
  std::int64_t waits = 0;        ///< compiled by another thread or process meanwhile
  std::int64_t compiles = 0;     ///< compiled here

  std::int64_t misses = 0;            ///< in none of these at the first look, whatever came of it
  std::int64_t refusals = 0;          ///< misses that MissPolicy::kError ended
  std::int64_t compile_failures = 0;  ///< compiles that ended in an error
  std::int64_t loads = 0;             ///< cubins given to the driver
  std::int64_t refused_cubins = 0;    ///< cubins that the driver did not take

  std::int64_t bad_rows = 0;        ///< rows of the cache file that were damaged, and deleted
  std::int64_t bad_files = 0;       ///< cache files that were damaged or empty, and replaced
  std::int64_t evicted_rows = 0;    ///< rows deleted to keep the size cap
  std::int64_t store_failures = 0;  ///< uses of the cache file that failed; the request went on without it

  // Sums over all threads, in seconds.
  double compile_seconds = 0;      ///< in the compiler, failures included
  double load_seconds = 0;         ///< in the driver, for loads
  double wait_seconds = 0;         ///< for another thread or process that compiles
  double store_read_seconds = 0;   ///< reading the cache file
  double store_write_seconds = 0;  ///< writing it

  std::int64_t fallbacks = 0;  ///< operators that got slower kernels, see FallbackPolicy

  ATTNJIT_API CacheCounters& operator+=(const CacheCounters& other) noexcept;
};

/// {"loaded_hits":0,...}: every counter, in the order above.
ATTNJIT_API std::string to_json(const CacheCounters& counters);

}  // namespace attnjit
