// RAII over the two handle types of SQLite's C API. Internal to cache/; knows nothing of kernels.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cache/folder_trust.h"
#include "cache/hardening.h"
#include "cache/store.h"
#include "cache/wait_budget.h"

struct sqlite3;
struct sqlite3_stmt;

namespace attnjit::cache {

class SqliteError : public StoreError {
 public:
  SqliteError(int code, const std::string& message) : StoreError(message), code_(code) {}
  int code() const { return code_; }  // SQLite's extended result code
  /// The file's content is at fault, so retrying will not help. All other errors (busy, full, read-only, I/O) say
  /// nothing against the file.
  bool means_damage() const;
  bool means_busy() const override;
  /// Damage, or how a file emptied or replaced under an open connection appears.
  bool calls_for_a_look() const;

 private:
  int code_;
};

/// Marks a thread as inside SQLite; every transaction lies within one.
///
/// SQLite keeps a per-process table of the locks it holds on each file, and some mutexes. A child forked while another
/// thread is inside inherits both in that state: a mutex nobody will release, or a file marked as locked by this
/// process, so that needed locks are not taken and no write ever gets in. Such a child, and its children, must do
/// without SQLite: the constructor throws StoreError there.
class SqliteStay {
 public:
  SqliteStay();
  ~SqliteStay();
  SqliteStay(const SqliteStay&) = delete;
  SqliteStay& operator=(const SqliteStay&) = delete;
  /// Throws where the constructor would.
  static void check() { const SqliteStay brief; }
};

/// A connection; used by one thread at a time.
class Database {
 public:
  /// kNone: read-only, as if nobody ever wrote to the file (SQLite's immutable=1): ignores the journal and the
  /// write-ahead log.
  enum class Locks { kTaken, kNone };

  /// Opens an existing file, for reading and, if permitted, writing, if it and its folder can be trusted
  /// (cache/folder_trust.h). Neither creates the file nor follows a symbolic link. From the first statement on, waits
  /// up to `busy_timeout` for locks.
  Database(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout, Locks locks = Locks::kTaken);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// From now on waits for locks as long as the budget that `budget` points to at that time has something left.
  void wait_by(WaitBudget* const& budget);
  void execute(const std::string& sql);
  /// First column of the first row; 0 or "" if there is no row.
  std::int64_t integer(const std::string& sql);
  std::string text(const std::string& sql);

  /// Whether the file or its folder no longer has the name it was opened by: renamed, replaced or deleted.
  bool moved() const;
  bool in_transaction() const;
  std::int64_t changes() const;  // rows changed by the last statement
  std::int64_t last_insert_rowid() const;
  sqlite3* handle() const { return handle_; }
  /// Restarts the step limit (cache/hardening.h) for the next statement.
  void statement_begins() { steps_.restart(); }

 private:
  std::optional<HeldFolder> folder_;  // declared before the connection, whose names go through it
  StepLimit steps_;
  sqlite3* handle_ = nullptr;
};

/// A prepared statement. Values bound by view must outlive the next reset().
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::span<const unsigned char> blob);

  bool step();   // true if there is a row
  void reset();  // also clears bindings

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::span<const unsigned char> blob(int column) const;  // valid until the next step() or reset()

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace attnjit::cache
