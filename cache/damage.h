// Tells real damage of a file from what only looks like it: an unreadable page, a transaction not yet rolled back.
// Internal to cache/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "cache/sqlite.h"

namespace attnjit::cache {

/// "ok", or the first fault found by SQLite's integrity check.
std::string integrity_verdict(Database& database);
/// The check reports a page it could not read like one it found wrong; this tells them apart by the wording.
bool says_that_a_read_failed(std::string_view verdict);

/// Whether the journal, if it exists, belongs to a transaction that SQLite would roll back if it had the locks. A
/// half-written file next to it is not damaged.
bool may_be_rolled_back(const std::filesystem::path& journal);

}  // namespace attnjit::cache
