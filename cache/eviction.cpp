#include "cache/eviction.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "cache/use_stamps.h"

namespace attnjit::cache {
namespace {

/// How far below the cap an eviction goes, so that the next writers need not evict. Bounded because all other processes
/// wait, 5 s at most, while rows are unlinked and pages from the end of the file move into the gaps. In a file of 1 GiB
/// and 26 000 rows, in memory, 64 MiB took 0.81 s and 16 MiB 0.39 s (two busy cores, 2026-11-20); the latter is about
/// one compile and makes room for 400 kernels.
constexpr std::int64_t kMostSlack = std::int64_t{16} << 20;

std::int64_t low_water(std::int64_t max_bytes) { return max_bytes - std::min(max_bytes / 8, kMostSlack); }

/// Allows for clock skew between machines.
std::int64_t latest_credible() { return static_cast<std::int64_t>(std::time(nullptr)) + kStampStepSeconds; }

std::int64_t used_bytes(Database& database) {
  return file_bytes(database) - database.integer("PRAGMA freelist_count") * database.integer("PRAGMA page_size");
}

}  // namespace

std::int64_t file_bytes(Database& database) {
  return database.integer("PRAGMA page_count") * database.integer("PRAGMA page_size");
}

std::int64_t evict_above(Database& database, std::int64_t max_bytes, std::int64_t keep_rowid) {
  if (max_bytes == 0 || file_bytes(database) <= max_bytes) return 0;
  std::vector<std::int64_t> oldest_first;
  {
    Statement statement(database,
                        "SELECT rowid FROM kernels WHERE rowid <> ?1 "
                        "ORDER BY CASE WHEN last_used > ?2 THEN 0 ELSE last_used END, created, rowid");
    statement.bind(1, keep_rowid).bind(2, latest_credible());
    while (statement.step()) oldest_first.push_back(statement.integer(0));
  }
  Statement erase(database, "DELETE FROM kernels WHERE rowid = ?1");
  std::int64_t evicted = 0;
  for (const std::int64_t rowid : oldest_first) {
    if (used_bytes(database) <= low_water(max_bytes)) break;
    erase.bind(1, rowid).step();
    erase.reset();
    ++evicted;
  }
  give_back_free_pages(database);
  return evicted;
}

std::int64_t evict_unused_since(Database& database, std::int64_t unix_seconds) {
  Statement statement(database, "DELETE FROM kernels WHERE last_used < ?1 OR last_used > ?2");
  statement.bind(1, unix_seconds).bind(2, latest_credible()).step();
  return database.changes();
}

void give_back_free_pages(Database& database) { database.execute("PRAGMA incremental_vacuum"); }

}  // namespace attnjit::cache
