// RAII over the two handles of the SQLite C API. Internal to cache/; knows nothing of kernels.
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
  /// The content of the file is at fault, so trying again will not help. Everything else (busy, full,
  /// read-only, an I/O error) says nothing against the file.
  bool means_damage() const;
  bool means_busy() const override;
  /// Damage, or what a file that was emptied or replaced under a living connection looks like from inside.
  bool calls_for_a_look() const;

 private:
  int code_;
};

/// A thread's stay inside SQLite; every transaction lies within one.
///
/// SQLite keeps one table per process of the locks that it holds on each file, and some mutexes. A child that is
/// forked while another thread is inside inherits both as they were at that moment: a mutex that nobody will
/// release, or a file that counts as locked by this process, so that no lock is taken where one is needed and
/// no write ever gets in. Such a child, and its children, must do without SQLite: the constructor throws
/// StoreError there.
class SqliteStay {
 public:
  SqliteStay();
  ~SqliteStay();
  SqliteStay(const SqliteStay&) = delete;
  SqliteStay& operator=(const SqliteStay&) = delete;
  /// Throws where the constructor would.
  static void check() { const SqliteStay brief; }
};

/// A connection; one thread at a time.
class Database {
 public:
  /// kNone: reads only, and reads what is there, as if nobody ever wrote to the file (SQLite's immutable=1): neither
  /// a journal nor a write-ahead log is looked at.
  enum class Locks { kTaken, kNone };

  /// Opens a file that exists, for reading and writing if permitted, if its folder and the file may be trusted
  /// (cache/folder_trust.h). Neither creates it nor follows a symbolic link. Waits up to `busy_timeout` for locks, from
  /// the first statement on.
  Database(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout, Locks locks = Locks::kTaken);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// From now on waits for locks as long as the budget that `budget` points to then has something left.
  void wait_by(WaitBudget* const& budget);
  void execute(const std::string& sql);
  /// First column of the first row; 0 or "" if there is no row.
  std::int64_t integer(const std::string& sql);
  std::string text(const std::string& sql);

  /// The file, or its folder, no longer bears the name that it was opened by: renamed, replaced or deleted.
  bool moved() const;
  bool in_transaction() const;
  std::int64_t changes() const;  // rows changed by the last statement
  std::int64_t last_insert_rowid() const;
  sqlite3* handle() const { return handle_; }
  /// What is run from now on has all its steps (cache/hardening.h) before it.
  void statement_begins() { steps_.restart(); }

 private:
  std::optional<HeldFolder> folder_;  // before the connection, whose names lead through it
  StepLimit steps_;
  sqlite3* handle_ = nullptr;
};

/// A prepared statement. What is bound by view must outlive the next reset().
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

  bool step();   // true: there is a row
  void reset();  // also forgets what was bound

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::span<const unsigned char> blob(int column) const;  // valid until the next step() or reset()

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace attnjit::cache
