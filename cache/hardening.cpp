#include "cache/hardening.h"

#include <sqlite3.h>

#include <initializer_list>

namespace attnjit::cache {
namespace {

constexpr int kStepsPerCall = 10'000;
/// A cubin is well under a megabyte.
constexpr int kLongestValue = 64 << 20;

}  // namespace

void harden(sqlite3* connection) {
  sqlite3_extended_result_codes(connection, 1);
  for (const int off : {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                        SQLITE_DBCONFIG_ENABLE_FKEY, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION}) {
    sqlite3_db_config(connection, off, 0, nullptr);
  }
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_limit(connection, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, kLongestValue);
  // Neither reads the file, so neither can fail because of its contents.
  sqlite3_exec(connection, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", nullptr, nullptr, nullptr);
}

void StepLimit::watch(sqlite3* connection, std::int64_t steps) {
  most_ = steps / kStepsPerCall;
  sqlite3_progress_handler(connection, kStepsPerCall, count, this);
}

int StepLimit::count(void* self) {
  auto* const limit = static_cast<StepLimit*>(self);
  return ++limit->calls_ > limit->most_ ? 1 : 0;
}

}  // namespace attnjit::cache
