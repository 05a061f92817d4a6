#include <sqlite3.h>
#include <unistd.h>

#include "tests/cache/vandalism.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using enum Vandalism::Kernels;

struct Connection {
  sqlite3* database = nullptr;
  explicit Connection(const std::filesystem::path& file) {
    sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr);
    sqlite3_busy_timeout(database, 5000);
  }
  ~Connection() { sqlite3_close(database); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  void run(const char* sql) { sqlite3_exec(database, sql, nullptr, nullptr, nullptr); }
};

/// A statement from another program.
auto sql(const char* text) {
  return [text](Scene& scene) { Connection(scene.store()).run(text); };
}

auto open_with(const char* text) {
  return [text](Scene& scene) {
    const auto connection = std::make_shared<Connection>(scene.store());
    connection->run(text);
    scene.held = connection;
  };
}
void close(Scene& scene) { scene.held.reset(); }

}  // namespace

std::vector<Vandalism> vandalisms_by_sql() {
  return {
      {"ExclusiveLockForSeconds", kKeeps, open_with("BEGIN EXCLUSIVE"), close, 7000ms},
      {"SharedLockForSeconds", kKeeps, open_with("BEGIN; SELECT count(*) FROM kernels"), close, 7000ms},
      {"WriteAheadLog", kKeeps, sql("PRAGMA journal_mode = WAL")},
      {"WriteAheadLogThatIsKeptOpen", kKeeps,
       open_with("PRAGMA journal_mode = WAL; BEGIN; SELECT count(*) FROM kernels"), close, 2000ms},
      {"RowsDeleted", kLoses, sql("DELETE FROM kernels WHERE rowid % 2")},
      {"ImagesChanged", kLoses, sql("UPDATE kernels SET image = zeroblob(100) WHERE rowid % 2")},
      {"FieldsChanged", kLoses, sql("UPDATE kernels SET config = '{}', compiler_major = 99 WHERE rowid % 3 = 0")},
      {"StampsOfTheFuture", kKeeps, sql("UPDATE kernels SET last_used = 4102444800123")},
      {"SchemaOfANewerVersion", kKeeps, sql("PRAGMA user_version = 2"), sql("PRAGMA user_version = 1")},
      {"SchemaOfAnOlderVersion", kLoses, sql("PRAGMA user_version = 0")},
      {"OfAnotherApplication", kLoses, sql("PRAGMA application_id = 99")},
      {"TableDropped", kLoses, sql("DROP TABLE kernels")},
      {"TableRenamed", kLoses, sql("ALTER TABLE kernels RENAME TO others")},
      {"ColumnAdded", kLoses, sql("ALTER TABLE kernels ADD COLUMN mine TEXT")},
      {"TriggerThatDeletes", kKeeps, sql("CREATE TRIGGER t AFTER INSERT ON kernels BEGIN DELETE FROM kernels; END"),
       sql("DROP TRIGGER t")},
      {"UniqueIndex", kKeeps, sql("CREATE UNIQUE INDEX i ON kernels(entry_point, key)")},
      {"TableOfAnotherAndAnalyze", kKeeps, sql("CREATE TABLE notes(text); INSERT INTO notes VALUES('mine'); ANALYZE")},
      {"ViewOfEverything", kKeeps, sql("CREATE VIEW v AS SELECT * FROM kernels, kernels AS more")},
      {"VacuumInto64KPages", kKeeps, sql("PRAGMA page_size = 65536; PRAGMA auto_vacuum = NONE; VACUUM")},
      {"EncodingAndCacheSize", kKeeps, sql("PRAGMA encoding = 'UTF-16'; PRAGMA default_cache_size = 1")},
  };
}

const std::vector<Vandalism>& vandalisms() {
  static const std::vector<Vandalism> all = [] {
    std::vector<Vandalism> list = vandalisms_of_files();
    for (auto& more : {vandalisms_of_journals_and_locks(), vandalisms_by_sql()})
      list.insert(list.end(), more.begin(), more.end());
    return list;
  }();
  return all;
}

}  // namespace attnjit::cache
