// Linked with a static SQLite whose symbols stay hidden: a second copy beside the one used by the library.
#include <sqlite3.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int second_sqlite_count(const char* file) {
  sqlite3* database = NULL;
  sqlite3_stmt* statement = NULL;
  int count = -1;
  if (sqlite3_open_v2(file, &database, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
      sqlite3_prepare_v2(database, "SELECT count(*) FROM kernels", -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    count = sqlite3_column_int(statement, 0);
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return count;
}

EXPORT void second_sqlite_touch(const char* file) {
  sqlite3* database = NULL;
  sqlite3_open_v2(file, &database, SQLITE_OPEN_READWRITE, NULL);
  sqlite3_close(database);
}

// The address of an object that exists once per copy.
EXPORT const char* second_sqlite_code(void) { return sqlite3_version; }
