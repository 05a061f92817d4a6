// Which rows go when the store is too large or they are too old, and giving their space back to the file system.
// Internal to cache/; runs in a transaction of the caller's.
#pragma once

#include <cstdint>

#include "cache/sqlite.h"

namespace attnjit::cache {

/// Size of the file with all that this transaction has changed.
std::int64_t file_bytes(Database& database);

/// Does nothing while the file is no larger than `max_bytes` (0: no limit). Else deletes rows, least recently used
/// first, until what is left needs no more than the low-water mark, and shortens the file. The row `keep_rowid`
/// (the one just written; 0: none) stays even when it alone is too large. Returns how many rows went.
std::int64_t evict_above(Database& database, std::int64_t max_bytes, std::int64_t keep_rowid);

/// Deletes the rows last used before a time; returns how many. Here and above a stamp of the future, which a clock that
/// was wrong has left, counts as older than any.
std::int64_t evict_unused_since(Database& database, std::int64_t unix_seconds);

/// Shortens the file by its free pages.
void give_back_free_pages(Database& database);

}  // namespace attnjit::cache
