// When the store's rows were last used: gathered in memory, written in batches. Internal to cache/.
//
// A use is recorded only if the row's own stamp is at least kStampStep old, so a row is written at most once in that
// time however many processes use it, and a hit never waits for a write. Gathered stamps are written by the next put(),
// by the first use at least kStampDelay after the oldest gathered one, by Store::flush_uses(), and when the store is
// closed. A process killed before that loses stamps, nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "cache/entry.h"
#include "cache/sqlite.h"

namespace attnjit::cache {

inline constexpr std::int64_t kStampStepSeconds = 3600;
inline constexpr std::chrono::seconds kStampDelay{60};

class UseStamps {
 public:
  /// (key in hex, compiler) -> time of use in seconds since the epoch.
  using Uses = std::map<std::pair<std::string, CompilerId>, std::int64_t>;

  /// True if the gathered stamps should be written now.
  bool add(const Entry& entry, std::int64_t now);
  /// Returns and clears everything gathered.
  Uses take();
  bool empty() const;

 private:
  mutable std::mutex mutex_;  // guards the members below
  Uses uses_;
  std::chrono::steady_clock::time_point oldest_;
};

/// Writes stamps in the caller's transaction. Skips rows that are gone or already have a stamp of about the same time.
void write_stamps(Database& database, const UseStamps::Uses& uses);

}  // namespace attnjit::cache
