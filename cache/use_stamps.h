// When rows of the store were last used: gathered in memory, written in batches. Internal to cache/.
//
// A use is remembered only when the row's own stamp is kStampStep old or more, so a row is written at most once
// in that time however many processes use it, and a hit never waits for a write. What is gathered is written by
// the next put(), by the first use that comes kStampDelay or more after the oldest gathered one, by
// Store::flush_uses(), and when the store is closed. A process that is killed before loses stamps, nothing else.
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
  /// Of (key in hex, compiler): when it was used, in seconds since the epoch.
  using Uses = std::map<std::pair<std::string, CompilerId>, std::int64_t>;

  /// True when the gathered ones should be written now.
  bool add(const Entry& entry, std::int64_t now);
  /// All that was gathered; nothing is left.
  Uses take();
  bool empty() const;

 private:
  mutable std::mutex mutex_;  // guards what follows
  Uses uses_;
  std::chrono::steady_clock::time_point oldest_;
};

/// Writes stamps, in the caller's transaction. A row that has gone, or has a stamp of about the same time, stays as it
/// is.
void write_stamps(Database& database, const UseStamps::Uses& uses);

}  // namespace attnjit::cache
