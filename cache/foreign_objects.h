// Objects in the file other than our table: left by people and tools (ANALYZE creates tables), or planted. They are
// never run, and are not damage. Internal to cache/.
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

/// Drops foreign indexes of our table, in the caller's transaction: SQLite maintains every index, and under a unique
/// one an insert replaces rows of other kernels. Returns one line per index.
std::vector<std::string> drop_foreign_indexes(Database& database);

}  // namespace attnjit::cache
