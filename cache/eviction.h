// Evicts rows if the store is too large or they are too old, and returns their space to the file system. Internal to
// cache/; runs in the caller's transaction.
#pragma once

#include <cstdint>

#include "cache/sqlite.h"

namespace attnjit::cache {

/// The file's size, including this transaction's changes.
std::int64_t file_bytes(Database& database);

/// Does nothing unless the file is larger than `max_bytes` (0: no limit). Otherwise deletes rows, least recently used
/// first, until the rest fits the low-water mark, and shrinks the file. Keeps the row `keep_rowid` (the one just
/// written; 0: none) even if it alone is too large. Returns the number of rows deleted.
std::int64_t evict_above(Database& database, std::int64_t max_bytes, std::int64_t keep_rowid);

/// Deletes the rows last used before a time; returns how many. Here and above, stamps in the future, left by a wrong
/// clock, count as the oldest.
std::int64_t evict_unused_since(Database& database, std::int64_t unix_seconds);

/// Shrinks the file by its free pages.
void give_back_free_pages(Database& database);

}  // namespace attnjit::cache
