// What a file holds besides our table: left by people and tools (ANALYZE makes tables), or planted. None of it is run,
// and none of it is damage. Internal to cache/.
#pragma once

#include <string>
#include <vector>

#include "cache/sqlite.h"

namespace attnjit::cache {

struct ForeignObject {
  std::string type;  // "trigger", "view", "table", "index"
  std::string name;
};

std::vector<ForeignObject> foreign_objects(Database& database);

/// Drops foreign indexes of our table, in a transaction of the caller's: SQLite keeps every index, and under one that
/// is unique an insert replaces rows of other kernels. Returns a line for each.
std::vector<std::string> drop_foreign_indexes(Database& database);

}  // namespace attnjit::cache
