// The file under the store: opening, creating, recognizing and replacing it, and transactions on it. Internal to
// cache/; knows the table but not its use. Not thread-safe: the caller holds the store's mutex.
//
// Every transaction holds two locks. SQLite's own (POSIX) locks guard against any SQLite, but vanish as soon as a
// second copy of SQLite in this process closes the same file. Ours is an OFD lock on a side file, which only an unlock
// drops; it also makes "look, then rename aside" safe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/folder_trust.h"
#include "cache/foreign_objects.h"
#include "cache/ofd_lock.h"
#include "cache/sqlite.h"
#include "cache/wait_budget.h"

namespace attnjit::cache {

enum class Access { kRead, kWrite };

class StoreFile {
 public:
  /// `path` must be free of symbolic links. Repairs are appended to `reports`, because a callback must not run under
  /// the locks.
  StoreFile(std::filesystem::path path, std::vector<std::string>& reports);

  Database& database() { return connection_->database; }
  /// SELECT of all columns by key, newest compiler first; kept prepared as the most frequent statement.
  Statement& find_statement() { return *connection_->find; }

  /// As of when the file was opened.
  const std::vector<ForeignObject>& foreign() const { return foreign_; }
  /// The budget that later transactions and repairs consume; it must outlive them.
  void wait_by(WaitBudget& budget) { budget_ = &budget; }
  /// Checks the file, after an error that calls for it, and replaces it if damaged. Takes seconds for a large file.
  void repair(bool whole);

 private:
  friend class Transaction;

  struct Connection {
    Database database;
    std::unique_ptr<Statement> find;
    Connection(const std::filesystem::path& path, WaitBudget* const& budget);
    void get_ready();  // once the table is known to exist
  };

  /// The side lock, held for one transaction or one repair.
  class SideLock {
   public:
    SideLock(StoreFile& file, LockMode mode);
    ~SideLock() { let_go(); }
    SideLock(const SideLock&) = delete;
    SideLock& operator=(const SideLock&) = delete;
    /// Releases the lock in between: anything seen before must be checked again.
    void make_exclusive();

   private:
    void take(LockMode mode);
    void let_go();
    StoreFile& file_;
    LockMode mode_;
    bool held_ = false;
    bool closes_ = false;  // close the side file: it could not be unlocked
    long owner_pid_ = 0;
  };

  enum class Condition { kSound, kMissing, kBlank, kWriteAheadLog, kDamaged };
  enum class Depth { kHeader, kWhole };

  /// Checks the file that has the name now; sets `damage_` for kDamaged. Throws StoreError for a file that is neither
  /// usable nor damaged: newer schema, no permission, busy.
  Condition look(Depth depth);
  Condition examine(Database& database, Depth depth);
  /// Does whatever is needed to get an open connection to a sound file.
  void make_ready(SideLock& lock, Depth depth);
  void set_aside();
  void create() const;
  void initialise(const std::filesystem::path& path) const;
  std::string leave_write_ahead_log();
  void hold_folder();
  void open_side_file(std::string& why_not);
  bool has(const char* suffix) const;  // a companion of the database, by suffix
  void keep_within_file_size_limit(Access access);

  std::filesystem::path path_;  // for messages, and for SQLite
  std::filesystem::path name_;
  std::optional<HeldFolder> folder_;
  std::vector<std::string>& reports_;
  std::string damage_;
  dev_t device_ = 0;  // identity of the checked file
  ino_t inode_ = 0;
  std::vector<ForeignObject> foreign_;
  std::unique_ptr<Connection> connection_;
  FileDescriptor side_file_;
  bool locks_work_ = false;  // has held the side lock before
  WaitBudget* budget_ = nullptr;
};

/// One transaction: side lock, sound file, BEGIN; rolled back unless committed.
class Transaction {
 public:
  Transaction(StoreFile& file, Access access);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  StoreFile& file_;
  StoreFile::SideLock lock_;
  SqliteStay stay_;  // after the lock, so waiting for it does not count
};

}  // namespace attnjit::cache
