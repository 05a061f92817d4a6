// What is damage of a file, and what only looks like it: a page that could not be read, a transaction that is not
// rolled back. Internal to cache/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "cache/sqlite.h"

namespace attnjit::cache {

/// "ok", or the first fault that SQLite's integrity check finds.
std::string integrity_verdict(Database& database);
/// The check tells a page that it could not read as one that it found wrong; this tells them apart, by its words.
bool says_that_a_read_failed(std::string_view verdict);

/// Whether the journal, where it is there, is of a transaction that SQLite would roll back if it could have the locks.
/// A half-written file beside it is not damaged.
bool may_be_rolled_back(const std::filesystem::path& journal);

}  // namespace attnjit::cache
